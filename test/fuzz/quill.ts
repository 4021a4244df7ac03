import { closePayload } from '../support/raw-frames.js';
import type { Dice } from '../support/dice.js';
import type { Role } from './script.js';

/** Writes drawn frames of a peer, masked if it is a client. */
export class Quill {
  readonly #masked: boolean;

  /** `role` is that of the library at the other end. */
  constructor(
    private readonly dice: Dice,
    role: Role,
  ) {
    this.#masked = role === 'server';
  }

  frame(payload: Buffer, opcode = 2, isFinal = true): Buffer {
    return frameOf(this.dice, payload, (isFinal ? 0x80 : 0) | opcode, this.#masked);
  }

  /** A binary message in one frame or in fragments, with a ping behind it or between them now and then. */
  message(payload: Buffer): Buffer {
    const { dice } = this;
    const frames: Buffer[] = [];
    const pieces = dice.percent(70) ? 1 : 1 + dice.below(5);
    let at = 0;
    for (let piece = 1; piece <= pieces; piece++) {
      const end = piece === pieces ? payload.length : at + dice.below(payload.length - at + 1);
      frames.push(this.frame(payload.subarray(at, end), piece === 1 ? 2 : 0, piece === pieces));
      if (dice.percent(10)) frames.push(this.frame(dice.bytes(dice.below(20)), 9));
      at = end;
    }
    return Buffer.concat(frames);
  }

  /** A message of bytes. */
  data(): Buffer {
    return this.message(this.dice.bytes(this.dice.pick([1, 1, 4, 20, 125, 126, 127, 1_000, 5_000])));
  }

  text(): Buffer {
    return this.frame(this.dice.pick([Buffer.from('text'), Buffer.alloc(0), this.dice.bytes(9)]), 1);
  }

  /** A ping or a pong. */
  control(): Buffer {
    return this.frame(this.dice.bytes(this.dice.below(126)), this.dice.pick([9, 10]));
  }

  /** More than anybody keeps unread, in so many messages. */
  bulk(messages = 40): Buffer {
    return Buffer.concat(Array.from({ length: messages }, () => this.message(this.dice.bytes(4_000))));
  }

  close(reasons: readonly [string, ...string[]] = ['', 'bye']): Buffer {
    const { dice } = this;
    const code = dice.pick([1000, 1000, 1000, 1001, 1002, 1011, 3000, 1005, 1006, 999, 5000]);
    return this.frame(dice.percent(90) ? closePayload(code, dice.pick(reasons)) : dice.bytes(dice.below(126)), 8);
  } // prettier-ignore

  /** A close in good order before a message is whole. */
  cutOff(): Buffer[] {
    const { dice } = this;
    const close = closePayload(dice.pick([1000, 1001]), dice.pick(['', 'bye', 'unused']));
    return [this.frame(dice.bytes(1 + dice.below(200)), 2, false), this.frame(close, 8)];
  }

  /** A frame whose fields are drawn, most of which break a rule. */
  strange(): Buffer {
    const { dice } = this;
    const payload = dice.bytes(dice.below(200));
    const first = dice.percent(50) ? dice.below(256) : dice.pick([0, 0x80]) | dice.below(16);
    const bytes = frameOf(dice, payload, first, dice.percent(80) ? this.#masked : !this.#masked);
    if (dice.percent(40)) bytes[1] = dice.below(256);
    return bytes;
  }
}

function frameOf(dice: Dice, payload: Buffer, first: number, masked: boolean): Buffer {
  const { length } = payload;
  // Now and then a length takes more bytes than it needs.
  const long = length > 0xffff || dice.percent(2) ? 8 : length > 125 || dice.percent(2) ? 2 : 0;
  const isControl = (first & 8) !== 0;
  const extra = isControl && length <= 125 ? 0 : long;
  const header = Buffer.alloc(2 + extra);
  header[0] = first;
  header[1] = (masked ? 128 : 0) | (extra === 8 ? 127 : extra === 2 ? 126 : length);
  if (extra === 2) header.writeUInt16BE(length, 2);
  if (extra === 8) header.writeBigUInt64BE(BigInt(length), 2);
  if (!masked) return Buffer.concat([header, payload]);
  const mask = dice.percent(5) ? Buffer.alloc(4) : dice.bytes(4);
  const frame = Buffer.concat([header, mask, payload]);
  const start = header.length + 4;
  for (let i = 0; i < length; i++) frame[start + i] = (frame[start + i] as number) ^ (mask[i & 3] as number);
  return frame;
}

/** Bits flipped, bytes cut off, doubled, moved, put in or taken from elsewhere. */
export function spoiled(dice: Dice, given: Buffer): Buffer {
  let bytes: Buffer = Buffer.from(given);
  for (let times = 1 + dice.below(3); times > 0 && bytes.length > 0; times--) {
    const at = dice.below(bytes.length);
    const end = Math.min(bytes.length, at + 1 + dice.below(60));
    const [before, piece, after] = [bytes.subarray(0, at), bytes.subarray(at, end), bytes.subarray(end)];
    const drawn = dice.below(7);
    if (drawn === 0) bytes[at] = bytes.readUInt8(at) ^ (1 << dice.below(8));
    else if (drawn === 1) bytes = before;
    else if (drawn === 2) bytes = Buffer.concat([before, piece, piece, after]);
    else if (drawn === 3) bytes = Buffer.concat([before, after]);
    else if (drawn === 4) bytes = Buffer.concat([before, dice.bytes(1 + dice.below(20)), piece, after]);
    else if (drawn === 5) bytes = Buffer.concat([piece, before, after]);
    else bytes[at] = dice.pick([0, 0x0a, 0x0d, 0x20, 0x3a, 0x7f, 0x80, 0xff]);
  }
  return bytes;
}

export function cutsOf(dice: Dice, length: number): number[] {
  if (length < 2) return [];
  const count = dice.pick([0, 0, 1, 2, 5, 12]);
  const cuts = Array.from({ length: count }, () => 1 + dice.below(length - 1));
  return [...new Set(cuts)].sort((a, b) => a - b);
}
