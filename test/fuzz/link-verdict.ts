import { BINARY, CLOSE, closeCodeOf, type Frame, PONG } from '../support/raw-frames.js';
import type { Decoded } from './frame-model.js';
import { LinkModel } from './link-model.js';
import { MAX_USES, type Script } from './script.js';
import type { Seen, SeenUse } from './seen.js';
import type { ModelUse } from './use-model.js';

/** How much the library keeps unread at most before it reads no more, in bytes. */
export const EARLY_LIMIT = 64 * 1024;

/** Notes what does not hold. */
export type Expect = (holds: boolean, what: string) => void;

/** What a script of protocol 2 comes to. `start` is where its frames begin. */
export function modelOf(script: Script, seen: Seen, start: number, decoded: Decoded, isExact: boolean): LinkModel {
  const eager = script.acts.filter(({ what, after }) => what === 'take' && after === -1);
  const rules = { role: script.role, maxUses: MAX_USES, unreadLimit: EARLY_LIMIT, eager: new Set(eager.map(({ use }) => use)), isExact, isDeaf: script.isDeaf };
  const moments = seen.log.map((moment) => (moment.what === 'fed' ? { ...moment, until: moment.until - start } : moment));
  return new LinkModel(decoded, rules).play(moments);
} // prettier-ignore

/** Compares the uses of a link with what they should have been. */
export function judgeUses(model: LinkModel, seen: Seen, decoded: Decoded, expect: Expect): void {
  if (!model.isCertain) {
    for (const { read } of seen.uses) expect(decoded.data.includes(Buffer.concat(read)), 'read what was never sent');
    return;
  }
  const names = model.uses.map(({ id }, i) => id ?? seen.uses[i]?.id ?? 'not');
  expect(names.join() === seen.uses.map(({ id }) => id).join(), `named ${seen.uses.length} instead of ${names.length} times`);
  for (const [i, use] of model.uses.entries()) {
    const seenUse = seen.uses[i];
    if (seenUse) judgeUse(use, seenUse, (holds, what) => { expect(holds, `use ${i}: ${what}`); });
  }
} // prettier-ignore

function judgeUse(use: ModelUse, seen: SeenUse, expect: Expect): void {
  const [data, read] = [Buffer.concat(use.data), Buffer.concat(seen.read)];
  const { ended, error, isReading } = seen;
  expect((seen.missedAt !== null) === use.isMissed, use.isMissed ? 'was to be had after its end' : 'was not to be had');
  expect(read.equals(data.subarray(0, read.length)), `${read.length} bytes read are no prefix of the ${data.length} sent`);
  if (ended) expect(use.hasAll && read.length === data.length, `read as a clean end after ${read.length} of ${data.length} bytes`);
  if (use.isLate && !ended) {
    // The loss comes behind the end.
    expect(error === null, `failed before its end: ${error?.message ?? ''}`);
  } else if (use.loss) {
    const told = error?.code === 'ERR_NPWS_UNUSED' ? 'unused' : (error?.closeCode ?? error?.message ?? 'nothing');
    const expected = use.loss.isUnused ? 'unused' : use.loss.code;
    expect(told === expected, `was told ${told} instead of ${expected}`);
  } else {
    expect(error === null, `failed: ${error?.message ?? ''}`);
    if (use.isDestroyed || !isReading) return;
    expect(read.length === data.length, `${read.length} of ${data.length} bytes read`);
    expect(ended === use.hasAll, ended ? 'ended early' : 'its end was not read');
  }
} // prettier-ignore

/** Compares what the library sent with what it should have sent. */
export function judgeSpeech(model: LinkModel, { role, ending }: Script, seen: Seen, pings: number, frames: Frame[], isExact: boolean, expect: Expect): void {
  expect(frames.every(({ masked, fin }) => masked === (role === 'client') && fin), 'a frame of ours is masked wrongly or a fragment');
  const closes = frames.filter(({ opcode }) => opcode === CLOSE).map(closeCodeOf);
  expect(closes.length <= 1 && (closes.length === 0 || frames.at(-1)?.opcode === CLOSE), 'frames behind our close frame');
  const pongs = frames.filter(({ opcode }) => opcode === PONG).length;
  expect(pongs <= pings, `${pongs} pongs to ${pings} pings`);
  if (!model.isCertain || (!isExact && ending !== 'silence')) return;
  if (!model.isOver) expect(pongs === pings, `${pongs} pongs to ${pings} pings`);
  judgeClose(model, closes, expect);
  judgeMessages(model, role === 'server', seen, frames.filter(({ opcode }) => opcode === BINARY).map(({ payload }) => payload), expect);
} // prettier-ignore

/** Who is closed answers with the same code, and tells who broke a rule which kind it was. */
function judgeClose({ end }: LinkModel, closes: number[], expect: Expect): void {
  const answer = end?.by === 'rule' ? end.answer : (end?.code ?? 1006);
  const expected = answer === 1006 ? 'nothing' : String(answer);
  const told = closes[0] === undefined ? 'nothing' : String(closes[0]);
  expect(told === expected, `told ${told} instead of ${expected}`);
}

/** Names, bytes and ends stand in their order; what gives a link back stands behind both ends. */
function judgeMessages(model: LinkModel, isServer: boolean, seen: Seen, messages: Buffer[], expect: Expect): void {
  let at = 0;
  for (const [i, use] of model.uses.entries()) {
    const { id, written } = seen.uses[i] ?? { id: 'not', written: Buffer.alloc(0) };
    if (isServer && i > 0) expect(messages[at++]?.toString('hex') === id, `use ${i} was not told its name`);
    const from = at;
    while ((messages[at]?.length ?? 0) > 0) at++;
    const said = Buffer.concat(messages.slice(from, at));
    const hasEnded = messages[at]?.length === 0;
    if (hasEnded) at++;
    expect(hasEnded === use.isFinSent, `use ${i}: ${hasEnded ? 'an' : 'no'} end of ours`);
    expect(said.equals(written.subarray(0, said.length)), `use ${i}: what we wrote arrived changed`);
    if (hasEnded) expect(said.length === written.length, `use ${i}: ${said.length} of ${written.length} bytes arrived`);
    if (!isServer && i < model.givenBack && i < MAX_USES - 1) expect(messages[at++]?.length === 0, `use ${i} was not given back`);
  }
  if (!isServer && model.mayBeGivenBack && messages[at]?.length === 0) at++;
  expect(at === messages.length, `${messages.length - at} messages too many`);
} // prettier-ignore
