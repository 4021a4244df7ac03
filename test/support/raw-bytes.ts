import { createCipheriv, createHash } from 'node:crypto';
import type { Duplex } from 'node:stream';

/** Bytes that look random and are the same for the same seed. */
export function bytesOf(length: number, seed = 1): Buffer {
  return createCipheriv('aes-128-ctr', Buffer.alloc(16, seed), Buffer.alloc(16)).update(Buffer.alloc(length));
}

/** A short name for bytes, so that a failed test does not print megabytes. */
export function digestOf(bytes: Uint8Array): string {
  return `${bytes.length}:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** What a reader saw: all bytes, and then either a clean end or an error. */
export interface Outcome {
  bytes: Buffer;
  ended: boolean;
  error: (Error & { code?: string; closeCode?: number }) | null;
}

/** Reads a stream until it is closed. */
export function outcomeOf(stream: Duplex): Promise<Outcome> {
  const parts: Buffer[] = [];
  const outcome: Outcome = { bytes: Buffer.alloc(0), ended: false, error: null };
  stream.on('data', (part: Buffer) => parts.push(part));
  stream.once('end', () => {
    outcome.ended = true;
    stream.end();
  });
  stream.once('error', (error) => (outcome.error = error));
  return new Promise((resolve) => {
    stream.once('close', () => {
      resolve({ ...outcome, bytes: Buffer.concat(parts) });
    });
  });
}
