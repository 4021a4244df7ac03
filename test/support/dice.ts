import { bytesOf } from './raw-bytes.js';

/** Random bytes are cut out of these: drawing each would take longer than using it. */
const SUPPLY = bytesOf(1 << 20);

/** Draws that are the same for the same seed: a failed input is replayed from its number. */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A seed for part `index` of a run: neighbours have nothing in common. */
  static seedOf(seed: number, index: number): number {
    return Math.imul(seed ^ Math.imul(index + 1, 0x9e37_79b1), 0x85eb_ca6b) >>> 0;
  }

  /** A whole number from 0 to 2^32 - 1 (mulberry32). */
  next(): number {
    this.#state = (this.#state + 0x6d2b_79f5) >>> 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  }

  /** A whole number below `limit`. */
  below(limit: number): number {
    return this.next() % limit;
  }

  /** True in so many of 100 draws. */
  percent(chance: number): boolean {
    return this.below(100) < chance;
  }

  pick<T>(choices: readonly [T, ...T[]]): T {
    return choices[this.below(choices.length)] as T;
  }

  bytes(length: number): Buffer {
    const start = this.below(SUPPLY.length - length);
    return Buffer.from(SUPPLY.subarray(start, start + length));
  }
}
