import { once } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { createClientPool, type PoolConnection } from 'nestjs-npws';
import { FakeClock } from '../../lib/testing/fake-clock.js';
import { createServerPoolOn } from '../support/counting-clock.js';
import { until } from '../support/pair.js';
import { bytesOf, digestOf, outcomeOf } from '../support/raw-bytes.js';
import { createJoined, portOf, startServer } from '../support/raw-joined.js';
import { FaultRelay } from '../support/fault-relay.js';
import { CLOSE, closePayload, frameOf, PING } from '../support/raw-frames.js';
import { connectNamed } from '../support/raw-peer.js';

const KEEP_ALIVE = 1_000;

/** Reads so many bytes a second until the end, into `parts`. */
async function readSlowly(
  connection: PoolConnection,
  bytesPerSecond: number,
  parts: Buffer[],
): Promise<void> {
  for await (const part of connection.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    parts.push(part);
    await new Promise((resolve) => setTimeout(resolve, (part.length / bytesPerSecond) * 1_000));
  }
}

describe('a connection in use whose peer reads nothing, so that no pong gets out', () => {
  it('is kept however many pings come, one by one or at once', async () => {
    const clock = new FakeClock();
    await using pool = createServerPoolOn(clock, { ping: 'off' });
    await pool.start();
    const { peer, id } = await connectNamed(portOf(pool));
    const connection = await pool.outgoingGet(id);
    peer.socket.pause();
    connection.write(Buffer.alloc(16 << 20));
    const received = (): number => pool.connections()[0]?.bytes.received ?? 0;
    const ping = frameOf(Buffer.from('ping'), { opcode: PING, masked: true });
    const send = async (count: number): Promise<void> => {
      const before = received();
      peer.write(...Array.from({ length: count }, () => ping));
      while (received() < before + count * ping.length && !connection.closed) await setImmediate();
    };
    for (let minute = 0; minute < 10; minute++) {
      await send(50);
      clock.advance(10_000);
    }
    expect(connection.closed).toBe(false);
    await send(1_000);
    expect(connection.closed).toBe(false);
    peer.socket.destroy();
  });
});

describe('a connection in use whose own reader has stalled, while its peer pinged on', () => {
  it('is read to its end', async () => {
    await using pool = await startServer();
    const { peer, id } = await connectNamed(portOf(pool));
    const connection = await pool.outgoingGet(id);
    const sent = Buffer.alloc(8 << 20, 'x');
    peer.send(sent);
    peer.write(
      ...Array.from({ length: 1_000 }, () => frameOf(Buffer.from('ping'), { opcode: PING, masked: true })),
    );
    peer.send(closePayload(1000), { opcode: CLOSE });
    await once(connection, 'readable');
    expect(await outcomeOf(connection)).toMatchObject({ bytes: sent, error: null });
  });
});

describe('a connection in use whose peer falls silent', () => {
  it('is gone within keepAlive + deadline + 0.5 s where this end has sent nothing', async () => {
    await using server = await startServer({ keepAlive: KEEP_ALIVE });
    await using relay = await FaultRelay.to(portOf(server));
    await using client = createClientPool({
      address: `127.0.0.1:${relay.port}`,
      tlsMode: 'none',
      keepAlive: KEEP_ALIVE,
      drainTimeout: 0,
    });
    await client.start();
    const atServer = await server.incomingGet();
    const atClient = await client.outgoingGet(atServer.id);
    // It has said all, but that is nothing that could be left unread.
    atClient.end();
    await once(atServer.resume(), 'end');
    const failures = [atServer, atClient].map(
      (end) => new Promise<unknown>((resolve) => end.once('error', resolve)),
    );
    const since = performance.now();
    relay.blackHole();
    for (const failure of failures)
      expect(await failure).toMatchObject({
        code: 'ERR_NPWS_TRUNCATED',
        message: expect.stringContaining('no pong in time'),
      });
    // The deadline for a pong is never longer than the period. A busy machine may add to it.
    expect(performance.now() - since).toBeLessThan(2 * KEEP_ALIVE + 1_500);
    expect(relay.injected).toBeGreaterThan(0);
  });

  it('is not given up where this end has sent something that may be unread', async () => {
    await using joined = await createJoined({
      server: { keepAlive: KEEP_ALIVE },
      client: { keepAlive: KEEP_ALIVE },
    });
    const { atServer, atClient } = joined;
    // The client's application reads nothing, so its end stops reading, and answers no ping.
    const sent = bytesOf(2 << 20);
    atServer.write(sent);
    await new Promise((resolve) => setTimeout(resolve, 3 * KEEP_ALIVE));
    expect([atServer.destroyed, atClient.destroyed]).toEqual([false, false]);
    atServer.end();
    const parts: Buffer[] = [];
    atClient.on('data', (part: Buffer) => parts.push(part));
    await once(atClient, 'end');
    expect(digestOf(Buffer.concat(parts))).toBe(digestOf(sent));
  });

  it('and whose client has ended early and reads slowly is neither given up nor named early', async () => {
    await using joined = await createJoined({
      server: { keepAlive: KEEP_ALIVE },
      client: { keepAlive: KEEP_ALIVE },
    });
    const { atServer, atClient, pair } = joined;
    const early: string[] = [];
    const sent = bytesOf(2 << 20);
    const parts: Buffer[] = [];
    pair.server.on('reuse', ({ id }) => {
      if (Buffer.concat(parts).length < sent.length) early.push(id);
    });
    const since = performance.now();
    atClient.end();
    atServer.end(sent);
    atServer.resume();
    await readSlowly(atClient, sent.length / 5, parts);
    expect(digestOf(Buffer.concat(parts))).toBe(digestOf(sent));
    expect(performance.now() - since).toBeGreaterThan(4_500);
    await until(pair.server, () => pair.server.stats().reused === 1);
    expect([early, pair.client.stats().evicted, pair.server.stats().evicted]).toEqual([[], 0, 0]);
    expect([atServer.errored, atClient.errored]).toEqual([null, null]);
  }, 20_000);

  it('and whose server has ended early and reads slowly is not given up while it waits for its next name', async () => {
    const patience = { keepAlive: KEEP_ALIVE, dialTimeout: 30_000 };
    await using joined = await createJoined({ server: { keepAlive: KEEP_ALIVE }, client: patience });
    const { atServer, atClient, pair } = joined;
    const sent = bytesOf(2 << 20);
    const parts: Buffer[] = [];
    atServer.end();
    atClient.end(sent);
    atClient.resume();
    await readSlowly(atServer, sent.length / 5, parts);
    expect(digestOf(Buffer.concat(parts))).toBe(digestOf(sent));
    await until(pair.client, () => pair.client.stats().reused === 1);
    expect([pair.client.errorCount(), pair.client.stats().closed]).toEqual([
      0,
      expect.objectContaining({ lost: 0 }),
    ]);
  }, 20_000);
});
