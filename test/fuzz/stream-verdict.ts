import { BINARY, CLOSE, closeCodeOf, type Frame, PONG } from '../support/raw-frames.js';
import { type Decoded, decode } from './frame-model.js';
import { EARLY_LIMIT, type Expect } from './link-verdict.js';
import { rulesOf, type Script } from './script.js';
import type { Seen, SeenUse } from './seen.js';

/** Compares the stream of a connection of protocol 1 with what it should have been. `body` is what was sent behind the hand-shake. */
export function judgeStream(script: Script, seen: Seen, use: SeenUse, body: Buffer, decoded: Decoded, isExact: boolean, expect: Expect): void {
  const skip = script.role === 'client' ? 4 : 0;
  const data = decoded.data.subarray(skip);
  if (use.connection) {
    const read = Buffer.concat(use.read);
    expect(read.equals(data.subarray(0, read.length)), `${read.length} bytes read are no prefix of the ${data.length} sent`);
    if (isPlain(script)) judgeReading(script, use, read, decoded.end, data, isExact, expect);
  } else if (use.missedAt !== null && isExact && isPlain(script)) {
    const before = body.length - (seen.sent.length - use.missedAt);
    const then = decode(body.subarray(0, Math.max(0, before)), rulesOf(script));
    const { end } = then;
    const isOwed = end.kind === 'closed' && (end.code === 1000 || end.code === 1001) && then.data.length > skip;
    expect(end.kind !== 'open' && !isOwed, 'was not to be had although it was alive or owed');
  }
} // prettier-ignore

/** Whether the application does no more than take the connection and read. One that was to speak protocol 2 may have closed it. */
function isPlain({ acts }: Script): boolean {
  return acts.length < 2 && acts.every(({ what, reads }) => what === 'take' && reads !== 'later');
}

function judgeReading({ ending, acts }: Script, seen: SeenUse, read: Buffer, end: Decoded['end'], data: Buffer, isExact: boolean, expect: Expect): void {
  const isInOrder = end.kind === 'closed' && (end.code === 1000 || end.code === 1001);
  const isUnused = isInOrder && end.reason === 'unused' && data.length === 0;
  const isClean = isInOrder && !isUnused;
  const isReset = !isExact && ending === 'reset';
  if (isUnused && !isReset) expect(seen.error?.code === 'ERR_NPWS_UNUSED', `told ${seen.error?.message ?? 'nothing'} instead of unused`);
  if (seen.ended) expect(isClean && read.length === data.length, `read as a clean end after ${read.length} of ${data.length} bytes, ${end.kind}`);
  if (isClean && !isReset) expect(seen.ended, 'a clean end was not read as one');
  if (end.kind === 'open' && ending === 'silence') {
    expect(read.length === data.length, `${read.length} of ${data.length} bytes read while open`);
    expect(!seen.error, `failed while open: ${seen.error?.message ?? ''}`);
  } else if (!isInOrder) {
    expect(seen.error !== null, 'a cut was told to nobody');
    // Who writes may hear of it by a write that failed, before the code is known.
    const isNamed = end.kind !== 'open' && !isReset && acts[0]?.after === -1 && acts[0].size === 0;
    if (isNamed) expect(seen.error?.closeCode === end.code, `close code ${seen.error?.closeCode ?? 'none'} instead of ${end.code}`);
  }
} // prettier-ignore

/** Compares what the library sent with what it should have sent. */
export function judgeFrames(script: Script, use: SeenUse, { data, pings, end }: Decoded, frames: Frame[], isExact: boolean, expect: Expect): void {
  const { role, ending } = script;
  expect(frames.every(({ masked, fin }) => masked === (role === 'client') && fin), 'a frame of ours is masked wrongly or a fragment');
  const closes = frames.filter(({ opcode }) => opcode === CLOSE);
  expect(closes.length <= 1 && (closes.length === 0 || frames.at(-1)?.opcode === CLOSE), 'frames behind our close frame');
  const pongs = frames.filter(({ opcode }) => opcode === PONG).length;
  expect(pongs <= pings, `${pongs} pongs to ${pings} pings`);
  const arrived = Buffer.concat(frames.filter(({ opcode }) => opcode === BINARY).map(({ payload }) => payload));
  expect(arrived.equals(use.written.subarray(0, arrived.length)), 'what we wrote arrived changed');
  if ((!isExact && ending !== 'silence') || !isPlain(script)) return;
  // What nobody takes is not read for ever.
  if (use.connection === null && data.length >= EARLY_LIMIT) return;
  if (end.kind === 'broken') expect(closes.some((frame) => closeCodeOf(frame) === end.code), `not told ${end.code} but ${closes.map(closeCodeOf).join()}`);
  if (end.kind === 'open' && isExact && ending === 'silence') expect(pongs === pings, `${pongs} pongs to ${pings} pings`);
} // prettier-ignore
