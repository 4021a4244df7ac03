import { FINAL_BINARY, headerOf, KEY, LENGTH_IN_16_BITS, MASKED } from './frame-header.js';
import { mask } from './mask.js';

const PING = 0x89;
const PONG = 0x8a;

/** What to expect of a peer, and where its frames go. */
export interface FrameSplitterOptions {
  /** Whether the peer has to mask. */
  readonly isMasked: boolean;
  /** The longest payload, in bytes. */
  readonly maxPayload: number;
  /** Takes a binary message. */
  readonly deliver: (payload: Buffer) => void;
  /** Takes all other frames, byte for byte: it reads them, assembles them, and judges what breaks a rule. */
  readonly forward: (bytes: Buffer) => void;
}

/**
 * Takes binary messages out of what a peer sends, as long as they come whole, and leaves the rest to `ws`: pings and pongs,
 * messages spread over several reads, and, from the first of these on, everything: fragments, text, a close, and whatever
 * breaks a rule. Frames that fill a TLS record are spared most of what `ws` does for each.
 */
export class FrameSplitter {
  /** The beginning of a header. */
  #rest: Buffer | null = null;
  /** How much is to come of a frame that was forwarded. */
  #missing = 0;
  #isOver = false;

  constructor(private readonly options: FrameSplitterOptions) {}

  /** Takes what came, in whatever pieces it came. Changes it. */
  take(bytes: Buffer): void {
    const chunk = this.#rest ? Buffer.concat([this.#rest, bytes]) : bytes;
    this.#rest = null;
    let at = this.#missing > 0 ? this.#forward(chunk, 0, this.#missing) : 0;
    while (at < chunk.length) {
      const next = this.#isOver ? this.#forward(chunk, at, chunk.length) : this.#takeFrame(chunk, at);
      if (next === at) {
        this.#rest = chunk.subarray(at);
        return;
      }
      at = next;
    }
  }

  /** Takes one frame, or what there is of it, and returns where the next one begins: `at` when its header is not whole. */
  #takeFrame(chunk: Buffer, at: number): number {
    const there = chunk.length - at;
    if (there < 2) return at;
    const { isMasked, maxPayload, deliver } = this.options;
    const first = chunk[at] as number;
    const second = chunk[at + 1] as number;
    const short = second & ~MASKED;
    const isControl = (first === PING || first === PONG) && short < LENGTH_IN_16_BITS;
    const isUsual = first === FINAL_BINARY || isControl;
    // What is wrong already is judged before the rest of it is there.
    if (!isUsual || ((second & MASKED) !== 0) !== isMasked) return this.#giveUp(chunk, at);
    if (there < headerOf(short, false)) return at;
    const length = lengthOf(chunk, at, short);
    if (length > maxPayload) return this.#giveUp(chunk, at);
    const start = at + headerOf(short, isMasked);
    const end = start + length;
    if (isControl || end > chunk.length) return this.#forward(chunk, at, end);
    const payload = chunk.subarray(start, end);
    if (isMasked) mask(payload, chunk.subarray(start - KEY, start));
    deliver(payload);
    return end;
  }

  /** Leaves everything from `at` on to `ws`. */
  #giveUp(chunk: Buffer, at: number): number {
    this.#isOver = true;
    return this.#forward(chunk, at, chunk.length);
  }

  /** Passes on what there is from `at` to `end`, and returns where that is. */
  #forward(chunk: Buffer, at: number, end: number): number {
    const there = Math.min(end, chunk.length);
    this.#missing = end - there;
    this.options.forward(chunk.subarray(at, there));
    return there;
  }
}

function lengthOf(chunk: Buffer, at: number, short: number): number {
  if (short < LENGTH_IN_16_BITS) return short;
  return short === LENGTH_IN_16_BITS ? chunk.readUInt16BE(at + 2) : Number(chunk.readBigUInt64BE(at + 2));
}
