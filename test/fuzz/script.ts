import { closePayload } from '../support/raw-frames.js';
import { Dice } from './dice.js';

export type Role = 'client' | 'server';

/** What a peer does to the library, from its first byte to its last. */
export interface Script {
  /** Which side the library is on; the peer is the other one. */
  readonly role: Role;
  readonly index: number;
  readonly bytes: Buffer;
  /** Where `bytes` is cut into segments, ascending. */
  readonly cuts: readonly number[];
  /** How long its head is, or null when it was tampered with. */
  readonly headLength: number | null;
  /** The status that its head deserves (101 lets it in), when that is known. */
  readonly status: number | null;
  readonly ending: 'fin' | 'reset' | 'silence';
  /** Whether the peer reads nothing after the hand-shake. */
  readonly isDeaf: boolean;
  /** After which segment an application takes the connection; -1 as soon as it is named; null never. */
  readonly takeAfter: number | null;
  /** How many bytes the application writes. */
  readonly writes: number;
}

/** Stands in a 101 for the answer to the key, which is not known before. As long as one. */
export const ACCEPT = 'ACCEPT-ACCEPT-ACCEPT-ACCEPT-';

/** The largest message that the fuzzed pools accept, in bytes. */
export const MAX_PAYLOAD = 5_000;

const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';

/** Input number `index` of a run. */
export function scriptOf(role: Role, seed: number, index: number): Script {
  const dice = new Dice(Dice.seedOf(seed, index * 2 + (role === 'client' ? 1 : 0)));
  const [head, status] = role === 'server' ? requestOf(dice) : responseOf(dice);
  const frames = framesOf(dice, role);
  const isSpoiled = dice.percent(60);
  // Most damage belongs where it gets beyond the hand-shake.
  const from = isSpoiled && dice.percent(25) ? 0 : head.length;
  const whole = Buffer.concat([head, frames]);
  const bytes = isSpoiled
    ? Buffer.concat([whole.subarray(0, from), spoiled(dice, whole.subarray(from))])
    : whole;
  const cuts = cutsOf(dice, bytes.length);
  const isIntact = from > 0 && bytes.length >= head.length;
  return {
    role,
    index,
    bytes,
    cuts,
    headLength: isIntact ? head.length : null,
    status: isIntact ? status : null,
    ending: dice.pick(['fin', 'reset', 'silence', 'silence']),
    isDeaf: dice.percent(10),
    takeAfter: dice.percent(10) ? null : dice.percent(50) ? -1 : dice.below(cuts.length + 1),
    writes: dice.percent(10) ? dice.below(200_000) : 0,
  };
}

/** What a peer in good health does: some data, and a close in good order. */
export function healthyScript(role: Role): Script {
  const dice = new Dice(1);
  const masked = role === 'server';
  const [head] = role === 'server' ? requestOf(new Dice(0), false) : responseOf(new Dice(0), false);
  const frames = Array.from({ length: 10 }, () => frameOf(dice, dice.bytes(1_000), 0x82, masked));
  const close = frameOf(dice, closePayload(1000), 0x88, masked);
  const bytes = Buffer.concat([head, ...frames, close]);
  return { role, index: 0, bytes, cuts: [head.length], headLength: head.length, status: 101, ending: 'silence', isDeaf: false, takeAfter: -1, writes: 3_000 };
} // prettier-ignore

function requestOf(dice: Dice, mayBeWrong = true): [Buffer, number] {
  const lines = [
    'GET / HTTP/1.1',
    'Host: 127.0.0.1',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    `Sec-WebSocket-Key: ${KEY}`,
  ];
  let status = 101;
  const change = (line: number, text: string, answer: number): void => {
    lines[line] = text;
    status = answer;
  };
  if (mayBeWrong && dice.percent(20)) {
    dice.pick([
      () => { change(0, 'POST / HTTP/1.1', 405); },
      () => { change(0, 'CONNECT a:1 HTTP/1.1', 405); },
      () => { change(0, `GET /${'x'.repeat(20_000)} HTTP/1.1`, 431); },
      () => { change(0, '\x16\x03\x01\x02', 400); },
      () => { change(2, 'Connection: close', 426); },
      () => { change(3, 'Upgrade: h2c', 426); },
      () => { change(4, 'Sec-WebSocket-Version: 8', 400); },
      () => { change(5, 'Sec-WebSocket-Key: x', 400); },
      () => { change(1, 'Origin: https://evil.example\r\nHost: x', 403); },
      () => { change(1, 'no colon', 400); },
      () => { change(1, 'Content-Length: 1\r\nContent-Length: 2', 400); },
      () => { change(1, 'Content-Length: 1\r\nTransfer-Encoding: chunked', 400); },
      () => { change(1, `X: ${'x'.repeat(17_000)}`, 431); },
      () => { change(1, `Host: x${'\r\nX: y'.repeat(2_000)}`, 101); },
      () => { change(1, 'Host: x\r\n__proto__: y\r\nconstructor: z', 101); },
      () => { change(1, 'Host: x\r\nContent-Length: 9', 400); },
      () => { change(1, 'Host: x\r\nSec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Protocol: a', 101); },
    ])(); // prettier-ignore
  }
  return [Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), status];
}

function responseOf(dice: Dice, mayBeWrong = true): [Buffer, number] {
  const lines = [
    'HTTP/1.1 101 Switching Protocols',
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Accept: ${ACCEPT}`,
  ];
  let status = 101; // prettier-ignore
  const change = (line: number, text: string): void => {
    lines[line] = text;
    status = 0;
  };
  if (mayBeWrong && dice.percent(20)) {
    dice.pick([
      () => { change(0, 'HTTP/1.1 503 Service Unavailable'); },
      () => { change(0, 'HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/'); },
      () => { change(0, 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked'); },
      () => { change(0, 'HTTP/1.1 200 OK\r\nContent-Length: 99999999999'); },
      () => { change(0, 'HTTP/9.9 101 Switching Protocols'); },
      () => { change(0, 'SSH-2.0-OpenSSH_9.9'); },
      () => { change(1, 'Upgrade: h2c'); },
      () => { change(1, 'X: y'); },
      () => { change(2, `Connection: Upgrade\r\nX: ${'x'.repeat(20_000)}`); },
      () => { change(2, 'Connection: Upgrade\r\nSec-WebSocket-Extensions: permessage-deflate'); },
      () => { change(2, 'Connection: Upgrade\r\nSec-WebSocket-Protocol: chat'); },
      () => { change(3, 'Sec-WebSocket-Accept: wrong'); },
      () => { change(3, 'X: y'); },
    ])(); // prettier-ignore
  }
  const prefix = mayBeWrong && dice.percent(3) ? 'HTTP/1.1 100 Continue\r\n\r\n' : '';
  return [Buffer.from(`${prefix}${lines.join('\r\n')}\r\n\r\n`, 'latin1'), status];
}

/** A proper session most of the time: the ID where a server speaks, data, control frames, fragments, an end. */
function framesOf(dice: Dice, role: Role): Buffer {
  const masked = role === 'server';
  const parts: Buffer[] = [];
  const frame = (payload: Buffer, opcode = 2, isFinal = true): void => {
    parts.push(frameOf(dice, payload, (isFinal ? 0x80 : 0) | opcode, masked));
  };
  const message = (payload: Buffer): void => {
    const pieces = dice.percent(70) ? 1 : 1 + dice.below(5);
    let at = 0;
    for (let piece = 1; piece <= pieces; piece++) {
      const end = piece === pieces ? payload.length : at + dice.below(payload.length - at + 1);
      frame(payload.subarray(at, end), piece === 1 ? 2 : 0, piece === pieces);
      if (dice.percent(10)) frame(dice.bytes(dice.below(20)), 9);
      at = end;
    }
  };
  if (role === 'client') {
    const id = dice.bytes(4);
    const cut = dice.percent(70) ? 4 : dice.below(5);
    if (dice.percent(10)) frame(Buffer.alloc(0), dice.pick([2, 9]));
    if (cut > 0) message(id.subarray(0, cut));
    if (cut < 4) message(Buffer.concat([id.subarray(cut), dice.bytes(dice.below(20))]));
  }
  for (let count = dice.below(8); count > 0; count--) {
    const size = dice.pick([0, 1, 20, 125, 126, 127, 1_000, MAX_PAYLOAD]);
    if (dice.percent(3)) frame(dice.pick([Buffer.from('text'), Buffer.alloc(0), dice.bytes(9)]), 1);
    else if (dice.percent(80)) message(dice.bytes(size));
    else frame(dice.bytes(dice.below(126)), dice.pick([9, 10]));
  }
  if (dice.percent(15)) parts.push(strangeFrame(dice, masked));
  if (dice.percent(2)) for (let i = 0; i < 40; i++) message(dice.bytes(4_000));
  if (dice.percent(50)) {
    const code = dice.pick([1000, 1000, 1000, 1001, 1002, 1011, 3000, 1005, 1006, 999, 5000]);
    if (dice.percent(90)) frame(closePayload(code, dice.pick(['', 'bye'])), 8);
    else frame(dice.bytes(dice.below(126)), 8);
    if (dice.percent(10)) message(dice.bytes(10));
  }
  return Buffer.concat(parts);
}

/** One whose fields are drawn, most of which break a rule. */
function strangeFrame(dice: Dice, masked: boolean): Buffer {
  const payload = dice.bytes(dice.below(200));
  const first = dice.percent(50) ? dice.below(256) : dice.pick([0, 0x80]) | dice.below(16);
  const bytes = frameOf(dice, payload, first, dice.percent(80) ? masked : !masked);
  if (dice.percent(40)) bytes[1] = dice.below(256);
  return bytes;
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
function spoiled(dice: Dice, given: Buffer): Buffer {
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

function cutsOf(dice: Dice, length: number): number[] {
  if (length < 2) return [];
  const count = dice.pick([0, 0, 1, 2, 5, 12]);
  const cuts = Array.from({ length: count }, () => 1 + dice.below(length - 1));
  return [...new Set(cuts)].sort((a, b) => a - b);
}

/** The segments of a script whose bytes are these. */
export function segmentsOf(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const starts = [0, ...cuts];
  return starts.map((start, i) => bytes.subarray(start, starts[i + 1] ?? bytes.length));
}
