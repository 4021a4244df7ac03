import { BINARY, type Frame, parseFrame } from '../support/raw-frames.js';
import { type Decoded, decode } from './frame-model.js';
import { isOffering } from './heads.js';
import type { LinkModel } from './link-model.js';
import { type Expect, judgeSpeech, judgeUses, modelOf } from './link-verdict.js';
import { rulesOf, type Script } from './script.js';
import type { Seen } from './seen.js';
import { judgeFrames, judgeStream } from './stream-verdict.js';

export interface Verdict {
  /** What is wrong with what was seen: nothing, if the library keeps its word. */
  readonly problems: string[];
  /** What should have come of it, if both spoke protocol 2. */
  readonly model: LinkModel | null;
}

/** Judges what was seen. `isExact` is false where a network sits between. */
export function judge(script: Script, seen: Seen, isExact: boolean): Verdict {
  const problems: string[] = [];
  const expect = (holds: boolean, what: string): void => {
    if (!holds) problems.push(what);
  };
  const start = startOf(script, seen.sent);
  const request = script.role === 'server' ? seen.sent.subarray(0, start ?? 0) : seen.output;
  const isOffered = isOffering(request.toString('latin1', 0, request.indexOf('\r\n\r\n') + 4));
  if (script.role === 'client') expect(isOffered === (script.protocol === 2), `offered protocol ${isOffered ? 2 : 1}`);
  const frames = script.role === 'server' ? judgeAnswer(script, seen, isExact, expect) : framesIn(seen.output, 0);
  if (start === null) return { problems, model: null };
  const body = seen.sent.subarray(start);
  const decoded = decode(body, rulesOf(script));
  const isAnswered = script.role === 'server' || decoded.messages[0]?.payload.length === 0;
  const isTwo = script.protocol === 2 && isOffered && isAnswered;
  const model = isTwo ? modelOf(script, seen, start, decoded, isExact) : null;
  if (script.role === 'client' && model?.isCertain !== false) judgeName(script, seen, model, decoded, isExact, expect);
  const [use] = seen.uses;
  if (!use) return { problems, model: null };
  if (model) judgeUses(model, seen, decoded, expect);
  else judgeStream(script, seen, use, body, decoded, isExact, expect);
  if (!frames || script.isDeaf) return { problems, model };
  const speech = script.role === 'server' ? behindGreeting(frames, use.id, isTwo, expect) : frames;
  if (model) judgeSpeech(model, script, seen, decoded.pings, speech, isExact, expect);
  else judgeFrames(script, use, decoded, speech, isExact, expect);
  return { problems, model };
} // prettier-ignore

/** Where the hand-shake ends in what the peer sent, or null when the bytes leave a doubt. */
function startOf(script: Script, sent: Buffer): number | null {
  if (script.headLength !== null) return script.headLength;
  const text = sent.toString('latin1');
  const strict = text.indexOf('\r\n\r\n');
  const lenient = /\r?\n\r?\n/.exec(text)?.index;
  // Blank lines and interim answers may stand before it.
  const isFirst = !/^(?:[\r\n]|HTTP\/1.1 1(?!01))/.test(text);
  return strict >= 0 && strict === lenient && isFirst ? strict + 4 : null;
}

/** Whether a client has let in whom it should, under the name that it was told. */
function judgeName(script: Script, seen: Seen, model: LinkModel | null, { data }: Decoded, isExact: boolean, expect: Expect): void {
  const first = data.length >= 4 ? data.toString('hex', 0, 4) : null;
  const id = model ? (model.uses[0]?.id ?? null) : first;
  const told = seen.uses[0]?.id ?? null;
  const isLetIn = script.status === 101 && (isExact || script.ending !== 'reset');
  if (isLetIn) expect(told === id, `named ${told ?? 'not'} instead of ${id ?? 'not'}`);
  else if (script.status !== null && script.status !== 101) expect(told === null, 'let in a server that is none');
  else expect(told === null || told === id, `named ${told ?? ''} instead of ${id ?? 'not'}`);
} // prettier-ignore

/** What a server answers to a request; its frames when it let the client in. */
function judgeAnswer(script: Script, seen: Seen, isExact: boolean, expect: Expect): Frame[] | null {
  const { output } = seen;
  const id = seen.uses[0]?.id ?? null;
  // What a network still held is lost with a reset, and a deaf peer has not read it.
  if (!isExact && (script.isDeaf || script.ending === 'reset')) return null;
  const head = /^HTTP\/1\.1 (\d{3})[^]*?\r\n\r\n/.exec(output.toString('latin1'));
  const status = head ? Number(head[1]) : null;
  expect(output.length === 0 || status !== null, 'the answer is no HTTP');
  // An answer to who is still sending may be lost with the reset that closes the socket.
  const isSending = script.cuts.length > 0 || seen.sent.length > (script.headLength ?? 0);
  const mayBeLost = !isExact && status === null && id === null && isSending;
  if (script.status !== null && !mayBeLost) expect(status === script.status || (output.length === 0 && script.ending === 'reset'), `status ${status ?? 'none'} instead of ${script.status}`);
  if (!mayBeLost) expect((status === 101) === (id !== null), `status ${status ?? 'none'}, but named ${id ?? 'not'}`);
  return head && status === 101 ? framesIn(output, head[0].length) : null;
} // prettier-ignore

/** What a server says behind the empty message of protocol 2 and the ID. */
function behindGreeting(frames: Frame[], id: string, isTwo: boolean, expect: Expect): Frame[] {
  const isEmpty = frames[0]?.opcode === BINARY && frames[0].payload.length === 0;
  expect(isEmpty === isTwo, `speaks protocol ${isEmpty ? 2 : 1} instead of ${isTwo ? 2 : 1}`);
  const [first, ...rest] = isEmpty ? frames.slice(1) : frames;
  expect(first?.opcode === BINARY && first.payload.toString('hex') === id, 'the ID does not come first');
  return rest;
} // prettier-ignore

/** Frames that stand whole in `output` from `start` on; a client's request before them goes. */
export function framesIn(output: Buffer, start: number): Frame[] {
  let rest = output.subarray(start);
  if (rest.subarray(0, 4).toString('latin1') === 'GET ') rest = rest.subarray(rest.indexOf('\r\n\r\n') + 4);
  const frames: Frame[] = [];
  for (let frame = parseFrame(rest); frame; frame = parseFrame(rest)) {
    frames.push(frame);
    rest = rest.subarray(frame.size);
  }
  return frames;
}
