import { once } from 'node:events';
import { finished, type Duplex } from 'node:stream';
import { crc32 } from 'node:zlib';
import { bytesOf } from '../../support/raw-bytes.js';

const MEBIBYTE = 2 ** 20;

/** How much a sender queues, in bytes, whatever the stream would like: a socket's own 16 KiB cost small writes 30 %. */
const QUEUED = 128 * 1024;

/** What is sent again and again, so that a piece that is lost, doubled or out of place shows. The Go peer has the same. */
export const SOURCE = bytesOf(MEBIBYTE, 0);

/** The CRC-32 of the first bytes that `send` sends: a whole number of MiB. Cheap enough to be no part of the result. */
export function checksum(bytes: number): number {
  let sum = 0;
  for (let hashed = 0; hashed < bytes; hashed += MEBIBYTE) sum = crc32(SOURCE, sum);
  return sum;
}

/** Writes `bytes` in pieces of `size`, ends, and waits until it is over. Tells when it began. */
export async function send(stream: Duplex, bytes: number, size: number): Promise<number> {
  const start = now();
  stream.resume();
  for (let sent = 0; sent < bytes; sent += size) {
    const offset = sent % MEBIBYTE;
    stream.write(SOURCE.subarray(offset, offset + size));
    if (stream.writableLength >= QUEUED) await once(stream, 'drain');
  }
  stream.end();
  await over(stream);
  return start;
}

/**
 * Reads to the end and tells when that was. Rejects unless it was the first `bytes` of what `send` sends, whose checksum
 * is `sum`.
 */
export async function receive(stream: Duplex, bytes: number, sum: number): Promise<number> {
  let length = 0;
  let seen = 0;
  let end = NaN;
  stream.on('data', (chunk: Buffer) => {
    length += chunk.length;
    seen = crc32(chunk, seen);
  });
  stream.on('end', () => {
    end = now();
    stream.end();
  });
  await over(stream);
  if (length !== bytes || seen !== sum) throw new Error(`${length} bytes came, of ${bytes}, or wrong ones`);
  return end;
}

function over(stream: Duplex): Promise<void> {
  return new Promise((resolve, reject) =>
    finished(stream, (error) => {
      if (error) reject(error);
      else resolve();
    }),
  );
}

/** Milliseconds since 1970, with fractions: the same for all processes. */
function now(): number {
  return performance.timeOrigin + performance.now();
}
