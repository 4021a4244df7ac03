import { createCipheriv, createHash } from 'node:crypto';

/** A stretch of a stream: `bytes` of what follows from the seed. */
export interface Stretch {
  bytes: number;
  seed: number;
}

const CHUNK = 64 * 1024;

/** Bytes that every peer makes alike from a seed: the key stream of AES-128-CTR whose key ends with the seed. */
export function* seededBytes({ bytes, seed }: Stretch, chunk = CHUNK): Generator<Buffer> {
  const key = Buffer.alloc(16);
  key.writeUInt32BE(seed, 12);
  const stream = createCipheriv('aes-128-ctr', key, Buffer.alloc(16));
  const zeros = Buffer.alloc(Math.min(chunk, bytes));
  for (let left = bytes; left > 0; left -= chunk) yield stream.update(zeros.subarray(0, left));
}

/** The sha256, in hex, of the first `length` bytes of these stretches; null when they are not that long. */
export function prefixHash(stretches: readonly Stretch[], length: number): string | null {
  const hash = createHash('sha256');
  let left = length;
  for (const { bytes, seed } of stretches) {
    const taken = Math.min(left, bytes);
    for (const part of seededBytes({ bytes: taken, seed })) hash.update(part);
    left -= taken;
  }
  return left === 0 ? hash.digest('hex') : null;
}
