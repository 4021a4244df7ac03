import type { PoolConnection } from 'nestjs-npws';
import { BINARY, CLOSE, closeCodeOf, type Frame, parseFrame, PONG } from '../support/raw-frames.js';
import { type Decoded, decode } from './frame-model.js';
import { MAX_PAYLOAD, type Script } from './script.js';

/** How much early data the library reads at most before somebody takes it, in bytes. */
const EARLY_LIMIT = 64 * 1024;

/** What came of a script. */
export interface Seen {
  /** What the peer has sent. */
  readonly sent: Buffer;
  /** What the peer got. */
  output: Buffer;
  /** The name that the library's pool gave the connection, if it came so far. */
  id: string | null;
  connection: PoolConnection | null;
  /** How much had been sent when the application asked for it in vain. */
  missedAt: number | null;
  read: Buffer[];
  ended: boolean;
  error: (Error & { closeCode?: number }) | null;
  /** What the application has written. */
  written: Buffer;
}

export function blankSeen(sent: Buffer): Seen {
  return { sent, output: Buffer.alloc(0), id: null, connection: null, missedAt: null, read: [], ended: false, error: null, written: Buffer.alloc(0) };
} // prettier-ignore

/** Notes all that comes over a connection. */
export function follow(seen: Seen, connection: PoolConnection): void {
  seen.connection = connection;
  // It may have come to its end before its taker came to look.
  seen.error = connection.errored;
  seen.ended = connection.readableEnded;
  connection.on('data', (bytes: Buffer) => seen.read.push(bytes));
  connection.once('end', () => (seen.ended = true));
  connection.once('error', (error) => (seen.error = error));
}

/** Where the hand-shake ends in what the peer sent, or null when the bytes leave a doubt. */
function bodyOf(script: Script, sent: Buffer): Buffer | null {
  if (script.headLength !== null) return sent.subarray(script.headLength);
  const text = sent.toString('latin1');
  const strict = text.indexOf('\r\n\r\n');
  const lenient = /\r?\n\r?\n/.exec(text)?.index;
  const isFirst = !/^HTTP\/1.1 1(?!01)/.test(text);
  return strict >= 0 && strict === lenient && isFirst ? sent.subarray(strict + 4) : null;
}

/** What is wrong with what was seen: nothing, if the library keeps its word. `isExact` is false where a network sits between. */
export function judge(script: Script, seen: Seen, isExact: boolean): string[] {
  const { role } = script;
  const problems: string[] = [];
  const expect = (holds: boolean, what: string): void => {
    if (!holds) problems.push(what);
  };
  const answer = role === 'server' ? judgeAnswer(script, seen, isExact, expect) : framesIn(seen.output, 0);
  const body = bodyOf(script, seen.sent);
  if (body === null) return problems;
  const rules = { masked: role === 'server', maxPayload: MAX_PAYLOAD };
  const model = decode(body, rules);
  const skip = role === 'client' ? 4 : 0;
  if (role === 'client') {
    const id = model.data.length >= skip ? model.data.toString('hex', 0, skip) : null;
    const isLetIn = script.status === 101 && (isExact || script.ending !== 'reset');
    if (isLetIn) expect(seen.id === id, `named ${seen.id ?? 'not'} instead of ${id ?? 'not'}`);
    else if (script.status !== null && script.status !== 101) expect(seen.id === null, 'let in a server that is none');
    else expect(seen.id === null || seen.id === id, `named ${seen.id ?? ''} instead of ${id ?? 'not'}`);
  } // prettier-ignore
  if (seen.id === null) return problems;
  const data = model.data.subarray(skip);
  if (seen.connection) judgeReading(script, seen, model.end, data, isExact, expect);
  else if (seen.missedAt !== null && isExact) {
    const before = body.length - (seen.sent.length - seen.missedAt);
    const then = decode(body.subarray(0, Math.max(0, before)), rules);
    const { end } = then;
    const isOwed =
      end.kind === 'closed' && (end.code === 1000 || end.code === 1001) && then.data.length > skip;
    expect(end.kind !== 'open' && !isOwed, 'was not to be had although it was alive or owed');
  }
  if (answer && !script.isDeaf) judgeFrames(script, seen, model, answer, isExact, expect);
  return problems;
}

type Expect = (holds: boolean, what: string) => void;

function judgeReading({ ending, takeAfter, writes }: Script, seen: Seen, end: Decoded['end'], data: Buffer, isExact: boolean, expect: Expect): void {
  const read = Buffer.concat(seen.read);
  const isClean = end.kind === 'closed' && (end.code === 1000 || end.code === 1001);
  const isReset = !isExact && ending === 'reset';
  expect(read.equals(data.subarray(0, read.length)), `${read.length} bytes read are no prefix of the ${data.length} sent`);
  if (seen.ended) expect(isClean && read.length === data.length, `read as a clean end after ${read.length} of ${data.length} bytes, ${end.kind}`);
  if (isClean && !isReset) expect(seen.ended, 'a clean end was not read as one');
  if (end.kind === 'open' && ending === 'silence') {
    expect(read.length === data.length, `${read.length} of ${data.length} bytes read while open`);
    expect(!seen.error, `failed while open: ${seen.error?.message ?? ''}`);
  } else if (!isClean) {
    expect(seen.error !== null, 'a cut was told to nobody');
    // Who writes may hear of it by a write that failed, before the code is known.
    const isNamed = end.kind !== 'open' && !isReset && takeAfter === -1 && writes === 0;
    if (isNamed) expect(seen.error?.closeCode === end.code, `close code ${seen.error?.closeCode ?? 'none'} instead of ${end.code}`);
  }
} // prettier-ignore

/** What a server answers to a request; its frames when it let the client in. */
function judgeAnswer(script: Script, seen: Seen, isExact: boolean, expect: Expect): Frame[] | null {
  const { output, id } = seen;
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
  if (!head || status !== 101) return null;
  const frames = framesIn(output, head[0].length);
  const [first, ...rest] = frames;
  if (!script.isDeaf) expect(first?.opcode === BINARY && first.payload.toString('hex') === id, 'the first frame is not the ID');
  return rest;
} // prettier-ignore

function judgeFrames({ role, ending }: Script, seen: Seen, { data, pings, end }: Decoded, frames: Frame[], isExact: boolean, expect: Expect): void {
  expect(frames.every(({ masked, fin }) => masked === (role === 'client') && fin), 'a frame of ours is masked wrongly or a fragment');
  const closes = frames.filter(({ opcode }) => opcode === CLOSE);
  expect(closes.length <= 1 && (closes.length === 0 || frames.at(-1)?.opcode === CLOSE), 'frames behind our close frame');
  const pongs = frames.filter(({ opcode }) => opcode === PONG).length;
  expect(pongs <= pings, `${pongs} pongs to ${pings} pings`);
  const arrived = Buffer.concat(frames.filter(({ opcode }) => opcode === BINARY).map(({ payload }) => payload));
  expect(arrived.equals(seen.written.subarray(0, arrived.length)), 'what we wrote arrived changed');
  if (!isExact && ending !== 'silence') return;
  // What nobody takes is not read for ever.
  if (seen.connection === null && data.length >= EARLY_LIMIT) return;
  if (end.kind === 'broken') expect(closes.some((frame) => closeCodeOf(frame) === end.code), `not told ${end.code} but ${closes.map(closeCodeOf).join()}`);
  if (end.kind === 'open' && isExact && ending === 'silence') expect(pongs === pings, `${pongs} pongs to ${pings} pings`);
} // prettier-ignore

/** Frames that stand whole in `output` from `start` on; a client's request before them goes. */
function framesIn(output: Buffer, start: number): Frame[] {
  let rest = output.subarray(start);
  if (rest.subarray(0, 4).toString('latin1') === 'GET ') rest = rest.subarray(rest.indexOf('\r\n\r\n') + 4);
  const frames: Frame[] = [];
  for (let frame = parseFrame(rest); frame; frame = parseFrame(rest)) {
    frames.push(frame);
    rest = rest.subarray(frame.size);
  }
  return frames;
}
