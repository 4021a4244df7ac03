import { createCipheriv, createHash } from 'node:crypto';

const BLOCK = 64 * 1024;

/** `length` bytes that look random and are the same for the same seed, in blocks of 64 KiB. */
export function* seededBytes(seed: number, length: number): Generator<Buffer> {
  const key = createHash('sha256').update(String(seed)).digest().subarray(0, 16);
  const cipher = createCipheriv('aes-128-ctr', key, Buffer.alloc(16));
  for (let left = length; left > 0; left -= BLOCK) yield cipher.update(Buffer.alloc(Math.min(left, BLOCK)));
}

/** The sha256 of blocks, in hex. */
export function sha256(blocks: Iterable<Buffer>): string {
  const hash = createHash('sha256');
  for (const block of blocks) hash.update(block);
  return hash.digest('hex');
}
