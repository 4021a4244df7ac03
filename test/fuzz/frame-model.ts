import { isUtf8 } from 'node:buffer';

/** How a stream of frames ends, to who knows all of it. */
export type ModelEnd =
  /** Nothing wrong so far; more may come. */
  | { readonly kind: 'open' }
  /** A close frame; 1005 when it is empty. */
  | { readonly kind: 'closed'; readonly code: number; readonly reason: string }
  /** A close frame in good order in the middle of a message: what was said is not whole. `answer` is its code, and ours. */
  | { readonly kind: 'cut'; readonly code: 1006; readonly answer: number }
  /** A rule is broken, and this code should be the answer. */
  | { readonly kind: 'broken'; readonly code: number };

/** A whole binary message. */
export interface Message {
  readonly payload: Buffer;
  /** Where its last byte stands, plus one. */
  readonly until: number;
}

export interface Decoded {
  readonly messages: readonly Message[];
  /** The payloads of all messages, put together. */
  readonly data: Buffer;
  readonly pings: number;
  readonly end: ModelEnd;
  /** How many bytes it takes to tell that end, unless it is open. */
  readonly until: number;
}

interface Rules {
  /** Whether each frame must be masked (a client's) or none may be (a server's). */
  readonly masked: boolean;
  readonly maxPayload: number;
}

const broken = (code: number): ModelEnd => ({ kind: 'broken', code });

/**
 * What RFC 6455 and docs/protocol.md make of bytes behind a hand-shake. Written from the text, in one go over all bytes, and
 * without a look at how the library does it: the fuzz compares the two.
 */
export function decode(bytes: Buffer, { masked, maxPayload }: Rules): Decoded {
  const messages: Message[] = [];
  let pings = 0;
  let message: { isText: boolean; parts: Buffer[]; length: number } | null = null;
  let at = 0;
  const done = (end: ModelEnd): Decoded => {
    const data = Buffer.concat(messages.map(({ payload }) => payload));
    return { messages, data, pings, end, until: at };
  };
  for (;;) {
    if (bytes.length - at < 2) return done({ kind: 'open' });
    const first = bytes.readUInt8(at);
    const second = bytes.readUInt8(at + 1);
    const opcode = first & 15;
    const isFinal = first >= 128;
    const isControl = opcode >= 8;
    const short = second & 127;
    at += 2;
    if ((first & 0x70) !== 0 || ![0, 1, 2, 8, 9, 10].includes(opcode)) return done(broken(1002));
    if (isControl ? !isFinal || short > 125 || (opcode === 8 && short === 1) : (opcode === 0) !== (message !== null))
      return done(broken(1002)); // prettier-ignore
    if (second >= 128 !== masked) return done(broken(1002));
    let length = short;
    if (short === 126) {
      if (bytes.length - at < 2) return done({ kind: 'open' });
      length = bytes.readUInt16BE(at);
      at += 2;
    } else if (short === 127) {
      if (bytes.length - at < 8) return done({ kind: 'open' });
      const long = bytes.readBigUInt64BE(at);
      at += 8;
      if (long > BigInt(maxPayload)) return done(broken(1009));
      length = Number(long);
    }
    if (!isControl) {
      message ??= { isText: opcode === 1, parts: [], length: 0 };
      message.length += length;
      if (message.length > maxPayload) return done(broken(1009));
    }
    const maskAt = at;
    if (masked) at += 4;
    if (bytes.length < at + length) return done({ kind: 'open' });
    const payload = Buffer.from(bytes.subarray(at, at + length));
    for (let i = 0; masked && i < length; i++)
      payload[i] = (payload[i] as number) ^ (bytes[maskAt + (i & 3)] as number);
    at += length;
    if (opcode === 9) pings++;
    if (opcode === 8) return done(endOf(payload, message !== null));
    if (isControl || message === null) continue;
    message.parts.push(payload);
    if (!isFinal) continue;
    const whole = Buffer.concat(message.parts);
    if (message.isText) return done(broken(isUtf8(whole) ? 1003 : 1007));
    messages.push({ payload: whole, until: at });
    message = null;
  }
}

function endOf(payload: Buffer, isInMessage: boolean): ModelEnd {
  if (payload.length === 0) return { kind: 'closed', code: 1005, reason: '' };
  const code = payload.readUInt16BE(0);
  const isKnown =
    (code >= 1000 && code <= 1014 && ![1004, 1005, 1006].includes(code)) || (code >= 3000 && code < 5000);
  if (!isKnown) return broken(1002); // prettier-ignore
  const reason = payload.subarray(2);
  if (!isUtf8(reason)) return broken(1007);
  if (isInMessage && (code === 1000 || code === 1001)) return { kind: 'cut', code: 1006, answer: code };
  return { kind: 'closed', code, reason: reason.toString() };
}
