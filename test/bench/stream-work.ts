import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { type Duplex, finished } from 'node:stream';

/** What the two processes of the throughput benchmark do together. */
export interface Work {
  readonly port: number;
  /** 'up' is client to server. */
  readonly direction: 'up' | 'down';
  readonly bytes: number;
  /** Over a pooled connection, or over a raw TLS socket. */
  readonly isPooled: boolean;
}

const WRITE = Buffer.alloc(64 * 1024, 'nestjs-npws ');

/** Writes `bytes` in pieces of 64 KiB, ends, and waits until the stream is over. */
export async function send(stream: Duplex, bytes: number): Promise<void> {
  const over = new Promise<void>((resolve) =>
    finished(stream, () => {
      resolve();
    }),
  );
  stream.resume();
  for (let sent = 0; sent < bytes; sent += WRITE.length) {
    if (!stream.write(WRITE)) await once(stream, 'drain');
  }
  stream.end();
  await over;
}

/** Reads to the end. Throws unless it was `bytes` of what `send` writes. */
export async function receive(stream: Duplex, bytes: number): Promise<void> {
  let length = 0;
  const hash = createHash('md5');
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    length += chunk.length;
    hash.update(chunk);
  }
  if (length !== bytes || hash.digest('hex') !== expected(bytes))
    throw new Error(`received ${length} wrong bytes`);
}

const known = new Map<number, string>();

function expected(bytes: number): string {
  let digest = known.get(bytes);
  if (!digest) {
    const hash = createHash('md5');
    for (let hashed = 0; hashed < bytes; hashed += WRITE.length) hash.update(WRITE);
    digest = hash.digest('hex');
    known.set(bytes, digest);
  }
  return digest;
}
