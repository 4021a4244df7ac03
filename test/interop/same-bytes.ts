import { expect } from '@jest/globals';
import type { PeerConnection } from './peer.js';

/** Has both ends of a connection say the same to one another, hear it, and close: the near one does. */
export async function expectSameBytes(
  near: PeerConnection,
  far: PeerConnection,
  bytes: number,
  seed = 1,
): Promise<void> {
  const ends = await Promise.all([
    near.exchange({ send: bytes, seed, receive: bytes, close: true }),
    far.exchange({ send: bytes, seed, receive: bytes, close: false }),
  ]);
  const whole = [bytes, undefined];
  expect(ends.map(({ bytes, sendError }) => [bytes, sendError])).toEqual([whole, whole]);
  expect(new Set(ends.map(({ sha256 }) => sha256)).size).toBe(1);
}
