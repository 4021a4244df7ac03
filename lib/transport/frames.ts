import { randomFillSync } from 'node:crypto';
import { FINAL_BINARY, headerOf, KEY, LENGTH_IN_16_BITS, MASKED } from './frame-header.js';
import { mask } from './mask.js';

/** What a TLS record holds, in bytes: a frame that fills it costs least. */
const RECORD = 16 * 1024;

/** How much to make frames of at once, in bytes: four frames full. Of several streams, more would leave the cache. */
const BATCH = 4 * (RECORD - 8);

/** Up to this size, in bytes, memory is taken from Node's pool. Beyond, what lives as long beside it would keep it. */
const POOLED = 2_048;

/** Where the bytes of messages come from. */
export interface ByteSource {
  /** Fills all of `target` with what comes next. */
  read(target: Buffer): void;
}

/**
 * The next `length` bytes of a source as binary messages, each a whole frame of at most 16 KiB, in one buffer (RFC 6455,
 * section 5.2). `ws` makes a write of each, and two without masking, which costs many times what the frame costs.
 */
export function framesOf(source: ByteSource, length: number, isMasked: boolean): Buffer {
  const most = RECORD - headerOf(LENGTH_IN_16_BITS, isMasked);
  const whole = Math.max(Math.ceil(length / most) - 1, 0);
  const last = length - whole * most;
  const size = whole * RECORD + headerOf(shortOf(last), isMasked) + last;
  const frames = size <= POOLED ? Buffer.allocUnsafe(size) : takeMemory(size);
  let at = 0;
  for (let frame = 0; frame < whole; frame++) at = writeFrame(frames, at, source, most, isMasked);
  writeFrame(frames, at, source, last, isMasked);
  return frames;
}

/** From this size on, in bytes, memory is used again. */
const LARGE = 32 * 1024;

/** The size of such memory: five frames. */
const BLOCK = 5 * RECORD;

/** Blocks that are not in use, and how many are kept. */
const blocks: ArrayBuffer[] = [];
const BLOCKS = 16;

function takeMemory(size: number): Buffer {
  if (size < LARGE || size > BLOCK) return Buffer.allocUnsafeSlow(size);
  return Buffer.from(blocks.pop() ?? new ArrayBuffer(BLOCK), 0, size);
}

/** Gives back the memory of frames that are written out. Garbage of this size would cost more than the frames. */
export function reuse({ buffer }: Buffer): void {
  if (buffer.byteLength === BLOCK && blocks.length < BLOCKS) blocks.push(buffer as ArrayBuffer);
}

/** How much of what waits to make frames of at once: a little that would be left makes no frame, and no write, of its own. */
export function batchOf(waiting: number): number {
  return waiting < BATCH + RECORD / 2 ? waiting : BATCH;
}

/** One message as a source. */
export class Message implements ByteSource {
  constructor(private readonly bytes: Uint8Array) {}

  read(target: Buffer): void {
    target.set(this.bytes);
  }
}

/** The length of a frame's payload as its second byte tells it. Ours fit in 16 bits. */
function shortOf(length: number): number {
  return Math.min(length, LENGTH_IN_16_BITS);
}

/** Writes one frame and returns where the next one begins. */
function writeFrame(
  frames: Buffer,
  at: number,
  source: ByteSource,
  length: number,
  isMasked: boolean,
): number {
  const start = at + headerOf(shortOf(length), isMasked);
  const end = start + length;
  frames[at] = FINAL_BINARY;
  frames[at + 1] = shortOf(length) | (isMasked ? MASKED : 0);
  if (length >= LENGTH_IN_16_BITS) frames.writeUInt16BE(length, at + 2);
  if (length > 0) source.read(frames.subarray(start, end));
  if (isMasked) {
    const key = nextKey();
    frames.set(key, start - KEY);
    if (length > 0) mask(frames.subarray(start, end), key);
  }
  return end;
}

/** Many keys at once: a call of the generator costs as much as a thousand of them. */
const keys = new Uint8Array(1_024 * KEY);
let used = keys.length;

/** No frame's key can be guessed from what went before. */
function nextKey(): Uint8Array {
  if (used === keys.length) {
    randomFillSync(keys);
    used = 0;
  }
  return keys.subarray(used, (used += KEY));
}
