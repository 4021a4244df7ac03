import { once } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import type { PoolConnection } from 'nestjs-npws';
import { createPair, takeBoth, until } from '../support/pair.js';
import { portOf, startServer } from '../support/raw-joined.js';
import { connectNamed } from '../support/raw-peer.js';

const MIB = 1024 * 1024;

/** Reads so many bytes. */
async function read(connection: PoolConnection, length: number): Promise<void> {
  let missing = length;
  connection.on('data', (bytes: Buffer) => (missing -= bytes.length));
  while (missing > 0) await once(connection, 'data');
}

describe('what a pool measures on its sockets', () => {
  it.each([1, 2] as const)('are the bytes of its uses, each way (protocol %i)', async (protocol) => {
    await using pair = await createPair({ server: { protocol }, client: { protocol, minCapacity: 2 } });
    const { atServer, atClient } = await takeBoth(pair);
    atServer.write(Buffer.alloc(MIB));
    atServer.write('more');
    await read(atClient, MIB + 4);
    atClient.end('a short answer');
    await read(atServer, 14);
    atServer.end();
    expect(pair.client.stats().bytes).toEqual({ received: MIB + 4, sent: 14 });
    expect(pair.server.stats().bytes).toEqual({ received: 14, sent: MIB + 4 });
  });

  it('are the bytes that came before anybody took the connection', async () => {
    await using pool = await startServer();
    const { peer } = await connectNamed(portOf(pool));
    peer.send(Buffer.from('early'));
    await until(pool, () => pool.stats().owed === 1);
    expect(pool.stats().bytes).toEqual({ received: 5, sent: 0 });
    await peer.reset();
  });

  it('are the round trips of pings', async () => {
    await using pair = await createPair({ client: { keepAlive: 1_000, minCapacity: 1 } });
    const ms = await new Promise<number>((resolve) => {
      pair.client.on('timed', (what, took) => {
        if (what === 'ping') resolve(took);
      });
    });
    expect(ms).toBeGreaterThan(0);
    expect(pair.client.stats().times.ping.count).toBe(1);
  });
});
