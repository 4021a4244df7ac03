import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { PoolConnection } from 'nestjs-npws';
import { seededBytes } from '../support/seeded-bytes.js';

/** What two ends wrote and what each read of the other, as 'length:sha256'. The two must be equal. */
export interface Ledger {
  sent: string[];
  received: string[];
}

/** Sends `length` pseudo-random bytes both ways at once, other ones each way, and reads them. Ends neither. */
export async function exchange(a: PoolConnection, b: PoolConnection, length: number): Promise<Ledger> {
  const [receivedByB, receivedByA] = [receive(b, length), receive(a, length)];
  const sent = await Promise.all([send(a, length, 1), send(b, length, 2)]);
  return { sent, received: [await receivedByB, await receivedByA] };
}

/** Writes `length` pseudo-random bytes, waiting for the peer to take them. */
async function send(connection: PoolConnection, length: number, seed: number): Promise<string> {
  const hash = createHash('sha256');
  for (const bytes of seededBytes({ bytes: length, seed })) {
    hash.update(bytes);
    if (!connection.write(bytes)) await once(connection, 'drain');
  }
  return `${length}:${hash.digest('hex')}`;
}

/** Reads at least `length` bytes, or what there is before the end. Rejects when the connection is cut. */
function receive(connection: PoolConnection, length: number): Promise<string> {
  const hash = createHash('sha256');
  let count = 0;
  return new Promise((resolve, reject) => {
    const finish = (): void => {
      connection.off('data', read).off('end', finish).off('error', reject);
      resolve(`${count}:${hash.digest('hex')}`);
    };
    const read = (bytes: Buffer): void => {
      hash.update(bytes);
      count += bytes.length;
      if (count >= length) finish();
    };
    connection.on('data', read).once('end', finish).once('error', reject);
  });
}
