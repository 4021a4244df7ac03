import { once } from 'node:events';
import { createServer } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { createClientPool, type NpwsError } from 'nestjs-npws';
import { createCertificate } from '../support/certificates.js';
import { createPair, takeBoth, until } from '../support/pair.js';
import { bytesOf, digestOf, outcomeOf } from '../support/raw-bytes.js';
import { frameOf } from '../support/raw-frames.js';
import { createRawServerPool, portOf, startServer } from '../support/raw-joined.js';
import { connectNamed, connectRaw, RawServer } from '../support/raw-peer.js';
import { FaultRelay } from '../support/fault-relay.js';

const idFrame = (number: number): Buffer => frameOf(Buffer.from([0, 0, 1, number]));

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1] ?? NaN;
}

/** A client of plain ws whose manager hurries. */
function clientOf(port: number, capacity: number) {
  return createClientPool({
    address: `127.0.0.1:${port}`,
    tlsMode: 'none',
    minCapacity: capacity,
    maxCapacity: capacity,
    minInterval: 20,
    maxInterval: 20,
    drainTimeout: 0,
  });
}

describe('what NPWS gets wrong is right here', () => {
  it('defect 1: a taker that is as fast as the ID finds the connection stored', async () => {
    await using pool = await startServer({ maxCapacity: 300 });
    for (let i = 0; i < 300; i++) {
      const { peer, id } = await connectNamed(portOf(pool));
      (await pool.outgoingGet(id, 0)).destroy();
      await peer.gone;
    }
    await until(pool, () => pool.stats().used === 0);
    expect([pool.active(), pool.stats().evicted]).toEqual([0, 0]);
  });

  it('defect 2: dead idle connections are not counted, nor handed out', async () => {
    await using pair = await createPair({ client: { minCapacity: 3, maxCapacity: 3 } });
    const before = new Set<string>();
    pair.server.on('disconnect', ({ id }) => before.add(id));
    expect(pair.server.flush()).toBe(3);
    await until(pair.client, () => pair.client.stats().evicted === 3);
    await until(pair.client, () => pair.client.active() === 3);
    const { atServer, atClient } = await takeBoth(pair);
    expect(before.has(atClient.id)).toBe(false);
    atClient.end('the first write arrives');
    atServer.end();
    expect((await outcomeOf(atServer)).bytes.toString()).toBe('the first write arrives');
  });

  it("defect 3: a killed client's slots are free at once", async () => {
    await using server = await startServer({ maxCapacity: 20 });
    await using relay = await FaultRelay.to(portOf(server));
    await using first = clientOf(relay.port, 20);
    await first.start();
    await until(server, () => server.active() === 20);
    void first.close();
    relay.cut();
    await until(server, () => server.active() === 0);
    await using second = clientOf(portOf(server), 20);
    await second.start();
    await until(second, () => second.active() === 20);
    expect([relay.injected, second.errorCount(), server.active()]).toEqual([20, 0, 20]);
  });

  it('defect 4: after a restart of the server the client has a new pool', async () => {
    const old = await startServer();
    const port = portOf(old);
    await using client = clientOf(port, 5);
    await client.start();
    await until(client, () => client.active() === 5);
    await old.close();
    await until(client, () => client.active() === 0);
    await using server = await startServer({ listen: { host: '127.0.0.1', port } });
    await until(server, () => server.active() === 5);
    await until(client, () => client.active() === 5);
    const atServer = await server.incomingGet(0);
    expect((await client.outgoingGet(atServer.id, 0)).id).toBe(atServer.id);
  });

  it('defect 5: a wait by ID ends when the connection lands, not at the next poll', async () => {
    const landed = new Map<string, number>();
    let count = 0;
    await using raw = await createRawServerPool((peer) => peer.accept(idFrame(++count)), {
      minInterval: 1,
      maxInterval: 1,
    });
    raw.pool.on('connect', ({ id }) => landed.set(id, performance.now()));
    const waits: number[] = [];
    for (let i = 1; i <= 100; i++) {
      const id = `000001${i.toString(16).padStart(2, '0')}`;
      const connection = await raw.pool.outgoingGet(id);
      waits.push(performance.now() - (landed.get(id) ?? performance.now()));
      connection.destroy();
    }
    expect(landed.size).toBeGreaterThanOrEqual(100);
    expect(median(waits)).toBeLessThan(5);
  });

  it('defect 6: flush keeps who waits, is done at once and forgets nothing that arrives', async () => {
    await using pair = await createPair();
    const { server, client } = pair;
    const waiting = client.outgoingGet('ffffffff', 5_000).catch((error: unknown) => error);
    const since = performance.now();
    expect(client.flush()).toBeGreaterThanOrEqual(4);
    expect([client.active(), client.stats().waiting]).toEqual([0, 1]);
    const next = await client.incomingGet();
    expect(performance.now() - since).toBeLessThan(2_500);
    const atServer = await server.outgoingGet(next.id);
    next.end('served');
    atServer.end();
    expect((await outcomeOf(atServer)).bytes.toString()).toBe('served');
    await until(client, () => client.active() >= 4);
    await until(server, () => server.active() === client.active());
    void client.close();
    expect(await waiting).toMatchObject({ code: 'ERR_NPWS_DRAINING' });
  });

  it('defect 7: a get right after the start waits', async () => {
    await using server = await startServer({ maxCapacity: 50 });
    await using client = clientOf(portOf(server), 10);
    const gets = Array.from({ length: 10 }, () => client.incomingGet());
    await client.start();
    gets.push(...Array.from({ length: 10 }, () => client.incomingGet()));
    expect(new Set((await Promise.all(gets)).map(({ id }) => id)).size).toBe(20);
  });

  it('defect 8: a get by ID takes that one and drops no other', async () => {
    await using server = await startServer();
    const ids: string[] = [];
    for (let i = 0; i < 10; i++) ids.push((await connectNamed(portOf(server))).id);
    await expect(server.outgoingGet('ffffffff', 0)).rejects.toMatchObject({ code: 'ERR_NPWS_TIMEOUT' });
    const taken = [];
    for (const id of [...ids].reverse()) taken.push((await server.outgoingGet(id, 0)).id);
    expect(taken).toEqual([...ids].reverse());
  });

  it('defect 9: a dial that hangs delays no other', async () => {
    let dials = 0;
    await using raw = await createRawServerPool(
      (peer) => {
        const number = ++dials;
        return number > 3 ? peer.accept(idFrame(number)) : undefined;
      },
      { minCapacity: 10, maxCapacity: 10, minInterval: 20, maxInterval: 20 },
    );
    await until(raw.pool, () => raw.pool.active() === 7);
    expect(raw.pool.stats().connecting).toBe(3);
    for (let i = 0; i < 30; i++) (await raw.pool.incomingGet(1_000)).destroy();
    expect(dials).toBeGreaterThanOrEqual(33);
  });

  it('defect 10: a TLS upgrade that is refused leaves no socket', async () => {
    await using server = await RawServer.listen(await createCertificate(), async (peer) => {
      await peer.head();
      peer.write('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n');
    });
    const client = createClientPool({
      address: `127.0.0.1:${server.port}`,
      tlsMode: 'self-signed',
      maxBackoff: 20,
    });
    await client.start();
    await until(client, () => client.errorCount() >= 10);
    await client.close();
    for (const peer of server.peers) await peer.gone;
    expect(server.peers.length).toBeGreaterThanOrEqual(10);
    expect(server.open).toBe(0);
  });

  it('defect 11: over capacity nobody is named and then dropped', async () => {
    await using server = await startServer({ maxCapacity: 5 });
    const peers = await Promise.all(Array.from({ length: 50 }, () => connectRaw(portOf(server))));
    const heads = await Promise.all(peers.map((peer) => peer.upgrade()));
    const named = peers.filter((_, i) => heads[i]?.startsWith('HTTP/1.1 101'));
    expect([named.length, server.stats().rejected]).toEqual([5, 45]);
    for (const peer of named) {
      const id = (await peer.frame()).payload.toString('hex');
      (await server.outgoingGet(id, 0)).write('live');
      expect((await peer.frame()).payload.toString()).toBe('live');
    }
  });

  it('defect 12: close lets streams in use end cleanly', async () => {
    await using pair = await createPair({ server: { drainTimeout: 5_000 } });
    const { atServer, atClient } = await takeBoth(pair);
    const sent = bytesOf(2 << 20);
    const outcome = outcomeOf(atClient);
    const closing = pair.server.close();
    atServer.end(sent);
    atClient.end();
    const { bytes, ended, error } = await outcome;
    expect([digestOf(bytes), ended, error]).toEqual([digestOf(sent), true, null]);
    await closing;
  });

  it('defect 13: a refused port, a bad certificate and a 403 are counted and told', async () => {
    const gone = createServer().listen(0, '127.0.0.1');
    await once(gone, 'listening');
    const { port: refused } = gone.address() as { port: number };
    gone.close();
    await using secure = await startServer({ tls: await createCertificate() });
    await using picky = await startServer({ clientIP: '10.0.0.1' });
    const failures = [];
    for (const [port, tlsMode] of [
      [refused, 'none'],
      [portOf(secure), 'verified'],
      [portOf(picky), 'none'],
    ] as const) {
      await using client = createClientPool({ address: `127.0.0.1:${port}`, tlsMode });
      const failed = new Promise<NpwsError>((resolve) => client.once('dialError', resolve));
      await client.start();
      const { code, message } = await failed;
      failures.push([client.errorCount(), code, client.stats().lastDialError?.message === message]);
    }
    expect(failures).toEqual([
      [1, 'ERR_NPWS_DIAL', true],
      [1, 'ERR_NPWS_DIAL', true],
      [1, 'ERR_NPWS_HANDSHAKE', true],
    ]);
  });

  it('defect 14: a server that is down is probed one at a time with growing pauses', async () => {
    const times: number[] = [];
    let highest = 0;
    await using raw = await createRawServerPool(
      (peer) => {
        times.push(performance.now());
        highest = Math.max(highest, raw.server.open);
        void peer.reset();
      },
      { minCapacity: 20, maxCapacity: 20, maxConcurrentDials: 4, minInterval: 10, maxInterval: 10 },
    );
    while (times.length < 8) await raw.server.next();
    const pauses = times.slice(1).map((time, i) => time - (times[i] ?? 0));
    // The first 4 go out at once; then 50-100, 100-200, 200-400 and 400-800 ms.
    const probes = pauses.slice(3);
    expect(highest).toBeLessThanOrEqual(4);
    for (const [i, pause] of probes.entries()) expect(pause).toBeGreaterThan(40 * 2 ** i);
  });

  it('defect 15: a reserved 00000000 goes to who asks for it by name only, and is issued again', async () => {
    const options = { reserveControl: true };
    await using pair = await createPair({ server: options, client: options });
    const { server, client } = pair;
    for (let i = 0; i < 3; i++) {
      expect((await server.incomingGet()).id).not.toBe('00000000');
      expect((await client.incomingGet()).id).not.toBe('00000000');
    }
    for (let i = 0; i < 3; i++) {
      const atServer = await server.outgoingGet('00000000');
      const atClient = await client.outgoingGet('00000000');
      const outcome = outcomeOf(atClient);
      atServer.end('control');
      atClient.end();
      expect((await outcome).bytes.toString()).toBe('control');
      await until(client, () => client.active() > 4);
    }
  });
});
