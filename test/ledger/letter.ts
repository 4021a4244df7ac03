import { bytesOf } from '../support/raw-bytes.js';
import { Dice } from '../support/dice.js';

// What one end of a stream says: a heading, and messages that follow from its seed. Whoever reads it knows each byte
// that must come next, and where it must end.

/** What a letter says of itself in its first bytes. */
export interface Heading {
  /** Who wrote it, and which of its letters it is: no two are alike. */
  readonly writer: number;
  readonly number: number;
  /** Whose letter it answers, and which one; null for one that asks. */
  readonly answers: { readonly writer: number; readonly number: number } | null;
  /** What the messages follow from, and how many there are. */
  readonly seed: number;
  readonly messages: number;
  /** How many messages the answer to it shall have. */
  readonly answer: number;
  /** Whether that is written at once, beside the letter, or behind it. */
  readonly atOnce: boolean;
}

const HEADING_BYTES = 32;

/** Stands in a heading where there is no letter that it answers. */
const NONE = 2 ** 32 - 1;

/** The longest message, in bytes; the mean is half of it. */
const LONGEST = 500;

/** Messages are cut out of these: making each would take longer than sending it. */
const SUPPLY = bytesOf(1 << 20, 9);

export function headingBytes(heading: Heading): Buffer {
  const { writer, number, seed, messages, answer, atOnce, answers } = heading;
  const bytes = Buffer.alloc(HEADING_BYTES);
  const asked = [answers?.writer ?? NONE, answers?.number ?? NONE];
  for (const [index, field] of [writer, number, seed, messages, answer, Number(atOnce), ...asked].entries())
    bytes.writeUInt32BE(field, index * 4);
  return bytes;
}

function parseHeading(bytes: Buffer): Heading {
  const field = (index: number): number => bytes.readUInt32BE(index * 4);
  return {
    writer: field(0),
    number: field(1),
    seed: field(2),
    messages: field(3),
    answer: field(4),
    atOnce: field(5) === 1,
    answers: field(6) === NONE ? null : { writer: field(6), number: field(7) },
  };
}

/** The messages of a letter, one after the other. */
export function* messagesOf({ seed, messages }: Heading): Generator<Buffer, undefined> {
  const dice = new Dice(seed);
  for (let left = messages; left > 0; left--) {
    const start = dice.below(SUPPLY.length - LONGEST);
    yield SUPPLY.subarray(start, start + 1 + dice.below(LONGEST));
  }
}

/** Reads a letter as it arrives, in whatever pieces. */
export class LetterReader {
  /** Known from its last byte on. */
  heading: Heading | null = null;
  /** How many messages have come, whole and as they were written. */
  messages = 0;
  #pieces = Buffer.alloc(0);
  #rest: Generator<Buffer, undefined> | null = null;
  #expected: Buffer | undefined;

  /** Whether all of it has come. */
  get isComplete(): boolean {
    return this.heading !== null && this.#expected === undefined;
  }

  /** Takes what comes next. Returns what is wrong with it, or null. */
  read(piece: Buffer): string | null {
    let bytes = piece;
    if (!this.heading) {
      this.#pieces = Buffer.concat([this.#pieces, bytes]);
      if (this.#pieces.length < HEADING_BYTES) return null;
      this.heading = parseHeading(this.#pieces);
      bytes = this.#pieces.subarray(HEADING_BYTES);
      this.#rest = messagesOf(this.heading);
      this.#expected = this.#rest.next().value;
    }
    while (bytes.length > 0) {
      const expected = this.#expected;
      if (!expected) return `${bytes.length} bytes came behind its ${this.messages} messages`;
      const length = Math.min(expected.length, bytes.length);
      if (expected.compare(bytes, 0, length, 0, length) !== 0)
        return `message ${this.messages} of ${this.heading.messages} is not what was written`;
      bytes = bytes.subarray(length);
      this.#expected = expected.subarray(length);
      if (this.#expected.length > 0) continue;
      this.messages++;
      this.#expected = this.#rest?.next().value;
    }
    return null;
  }
}
