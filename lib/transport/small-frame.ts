/** The longest payload that `smallFrame` takes, in bytes: beyond it a copy costs more than a second write. */
export const SMALL_PAYLOAD = 2_048;

const FINAL_BINARY = 0x82;
const LENGTH_IN_16_BITS = 126;

/**
 * A whole unmasked frame: one binary message of a server, in one buffer (RFC 6455, section 5.2). `ws` writes header and
 * payload apart, which costs a small message twice.
 */
export function smallFrame(payload: Uint8Array): Buffer {
  const { length } = payload;
  const start = length < LENGTH_IN_16_BITS ? 2 : 4;
  const frame = Buffer.allocUnsafe(start + length);
  frame[0] = FINAL_BINARY;
  frame[1] = Math.min(length, LENGTH_IN_16_BITS);
  if (start === 4) frame.writeUInt16BE(length, 2);
  frame.set(payload, start);
  return frame;
}
