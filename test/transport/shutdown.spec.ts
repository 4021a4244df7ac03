import { describe, expect, it } from '@jest/globals';
import { createClientPool, createServerPool } from 'nestjs-npws';
import { createCountedClientPool, createCountedServerPool } from '../support/counting-clock.js';
import { createPair, takeBoth, until } from '../support/pair.js';
import { bytesOf, digestOf, outcomeOf } from '../support/raw-bytes.js';
import { CLOSE, closeCodeOf, frameOf } from '../support/raw-frames.js';
import { createRawServerPool, portOf, startServer } from '../support/raw-joined.js';
import { connectNamed, RawServer } from '../support/raw-peer.js';

describe('close()', () => {
  it('ends 1,000 idle connections at both ends and leaves no timer', async () => {
    const server = createCountedServerPool({ maxCapacity: 1_000 });
    await server.pool.start();
    const client = createCountedClientPool({
      address: `127.0.0.1:${portOf(server.pool)}`,
      minCapacity: 1_000,
      maxCapacity: 1_000,
    });
    await client.pool.start();
    await until(client.pool, () => client.pool.active() === 1_000);
    await until(server.pool, () => server.pool.active() === 1_000);
    await client.pool.close();
    await until(server.pool, () => server.pool.active() === 0);
    await server.pool.close();
    expect([client.clock.pending, server.clock.pending]).toEqual([0, 0]);
    for (const { pool } of [client, server]) {
      expect(pool.stats()).toMatchObject({ state: 'closed', active: 0, used: 0, connecting: 0 });
    }
  });

  it.each([0, 400])(
    'ends with deaf peers, idle and in use, soon after a drainTimeout of %i ms',
    async (ms) => {
      const pool = await startServer({ maxCapacity: 20, drainTimeout: ms });
      const peers = [];
      for (let i = 0; i < 20; i++) {
        const named = await connectNamed(portOf(pool));
        named.peer.socket.pause();
        peers.push(named);
      }
      const used = peers.slice(0, 5);
      for (const { id } of used) (await pool.outgoingGet(id)).write(bytesOf(8 << 20));
      const ending = await pool.outgoingGet(peers[5]?.id ?? '');
      ending.end('bye');
      const since = performance.now();
      await pool.close();
      const took = performance.now() - since;
      // Half a second is the aim; this leaves room for a busy machine.
      expect(took).toBeLessThan(ms + 2_000);
      expect(pool.stats()).toMatchObject({ state: 'closed', used: 0, active: 0, connecting: 0 });
      for (const { peer } of peers) peer.socket.destroy();
    },
  );

  it('ends a client with a deaf server soon after its drainTimeout', async () => {
    await using server = await RawServer.listen(undefined, (peer) =>
      peer.accept(frameOf(Buffer.from([0, 0, 0, server.peers.length]))).then(() => peer.socket.pause()),
    );
    const pool = createClientPool({
      address: `127.0.0.1:${server.port}`,
      tlsMode: 'none',
      minCapacity: 10,
      maxCapacity: 10,
      drainTimeout: 300,
    });
    await pool.start();
    await until(pool, () => pool.active() === 10);
    (await pool.incomingGet()).write(bytesOf(8 << 20));
    const since = performance.now();
    await pool.close();
    expect(performance.now() - since).toBeLessThan(2_300);
  });

  it('lets streams in use finish within drainTimeout without losing a byte', async () => {
    await using pair = await createPair({ client: { drainTimeout: 3_000 }, server: { drainTimeout: 3_000 } });
    const { atServer, atClient } = await takeBoth(pair);
    const sent = bytesOf(4 << 20);
    const outcome = outcomeOf(atServer);
    atClient.write(sent.subarray(0, 1 << 20));
    const closing = Promise.all([pair.client.close(), pair.server.close()]);
    atClient.end(sent.subarray(1 << 20));
    const { bytes, ended } = await outcome;
    expect([digestOf(bytes), ended]).toEqual([digestOf(sent), true]);
    await closing;
  });

  it('cuts the other streams so that the readers at both ends see an error', async () => {
    await using pair = await createPair({ client: { drainTimeout: 50 } });
    const { atServer, atClient } = await takeBoth(pair);
    const outcomes = Promise.all([outcomeOf(atServer), outcomeOf(atClient)]);
    atClient.write('begun');
    await pair.client.close();
    const [far, near] = await outcomes;
    expect([far.bytes.toString(), far.ended, far.error?.code]).toEqual([
      'begun',
      false,
      'ERR_NPWS_TRUNCATED',
    ]);
    expect([near.ended, near.error?.code]).toEqual([false, 'ERR_NPWS_CLOSED']);
  });

  it('tells idle peers 1001, and flush() tells them 1000', async () => {
    const pool = await startServer();
    const first = await connectNamed(portOf(pool));
    expect(pool.flush()).toBe(1);
    expect(closeCodeOf(await first.peer.frameOfKind(CLOSE))).toBe(1000);
    const second = await connectNamed(portOf(pool));
    const closing = pool.close();
    expect(closeCodeOf(await second.peer.frameOfKind(CLOSE))).toBe(1001);
    await closing;
    await Promise.all([first.peer.gone, second.peer.gone]);
  });

  it('tells the idle peers of a client the same', async () => {
    const codes: number[] = [];
    await using raw = await createRawServerPool(async (peer) => {
      await peer.accept(frameOf(Buffer.from([0, 0, 0, raw.server.peers.length])));
      codes.push(closeCodeOf(await peer.frameOfKind(CLOSE)));
    });
    await raw.pool.whenReady();
    raw.pool.flush();
    await until(raw.pool, () => raw.pool.active() === 1);
    await raw.pool.close();
    for (const peer of raw.server.peers) await peer.gone;
    expect(codes).toEqual([1000, 1001]);
  });

  it('rejects who waits, and refuses whoever dials meanwhile', async () => {
    const pool = await startServer({ drainTimeout: 2_000 });
    const { peer, id } = await connectNamed(portOf(pool));
    const held = await pool.outgoingGet(id);
    const waiting = pool.incomingGet();
    const port = portOf(pool);
    const closing = pool.close();
    await expect(waiting).rejects.toMatchObject({ code: 'ERR_NPWS_DRAINING' });
    const client = createClientPool({ address: `127.0.0.1:${port}`, tlsMode: 'none' });
    const failed = new Promise((resolve) => client.once('dialError', resolve));
    await client.start();
    expect(await failed).toMatchObject({ code: 'ERR_NPWS_HANDSHAKE', status: 503 });
    held.destroy();
    await closing;
    await client.close();
    await peer.gone;
    await expect(pool.incomingGet()).rejects.toMatchObject({ code: 'ERR_NPWS_CLOSED' });
  });

  it('of a server that never started, or starts, resolves', async () => {
    await createServerPool({ listen: { port: 0 } }).close();
    const pool = createServerPool({ listen: { port: 0, host: '127.0.0.1' } });
    const starting = pool.start().catch(() => undefined);
    await pool.close();
    await starting;
    expect([pool.ready(), pool.address()]).toEqual([false, null]);
  });
});
