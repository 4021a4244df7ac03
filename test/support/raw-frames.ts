import { randomBytes } from 'node:crypto';

/** A WebSocket frame as it stood on the wire, unmasked. */
export interface Frame {
  fin: boolean;
  opcode: number;
  masked: boolean;
  payload: Buffer;
  /** Its length on the wire, header included. */
  size: number;
}

export const TEXT = 1;
export const BINARY = 2;
export const CLOSE = 8;
export const PING = 9;
export const PONG = 10;

interface FrameOptions {
  opcode?: number;
  fin?: boolean;
  /** A client masks what it sends. Default false. */
  masked?: boolean;
}

/** The bytes of one frame: binary and whole unless said otherwise. */
export function frameOf(payload: Uint8Array, options: FrameOptions = {}): Buffer {
  const { opcode = BINARY, fin = true, masked = false } = options;
  const { length } = payload;
  const long = length > 0xffff ? 8 : length > 125 ? 2 : 0;
  const header = Buffer.alloc(2 + long);
  header[0] = (fin ? 0x80 : 0) | opcode;
  header[1] = (masked ? 0x80 : 0) | (long === 8 ? 127 : long === 2 ? 126 : length);
  if (long === 2) header.writeUInt16BE(length, 2);
  if (long === 8) header.writeBigUInt64BE(BigInt(length), 2);
  if (!masked) return Buffer.concat([header, payload]);
  const mask = randomBytes(4);
  return Buffer.concat([header, mask, applied(mask, payload)]);
}

/** The payload of a close frame. */
export function closePayload(code: number, reason = ''): Buffer {
  const bytes = Buffer.alloc(2 + Buffer.byteLength(reason));
  bytes.writeUInt16BE(code, 0);
  bytes.write(reason, 2);
  return bytes;
}

/** The code of a close frame; 1005 when it is empty. */
export function closeCodeOf(frame: Frame): number {
  return frame.payload.length < 2 ? 1005 : frame.payload.readUInt16BE(0);
}

/** The first frame in `bytes`, or undefined while part of it is missing. */
export function parseFrame(bytes: Buffer): Frame | undefined {
  const [first, second] = bytes;
  if (first === undefined || second === undefined) return undefined;
  const masked = second >= 0x80;
  const short = second & 0x7f;
  const long = short === 127 ? 8 : short === 126 ? 2 : 0;
  const start = 2 + long + (masked ? 4 : 0);
  if (bytes.length < start) return undefined;
  const length = long === 8 ? Number(bytes.readBigUInt64BE(2)) : long === 2 ? bytes.readUInt16BE(2) : short;
  const size = start + length;
  if (bytes.length < size) return undefined;
  const payload = bytes.subarray(start, size);
  return {
    fin: first >= 0x80,
    opcode: first & 0x0f,
    masked,
    payload: masked ? applied(bytes.subarray(start - 4, start), payload) : payload,
    size,
  };
}

function applied(mask: Buffer, payload: Uint8Array): Buffer {
  const result = Buffer.from(payload);
  for (let i = 0; i < result.length; i++) result[i] = (result[i] ?? 0) ^ (mask[i & 3] ?? 0);
  return result;
}
