import { describe, expect, it } from '@jest/globals';
import { createClientPool } from 'nestjs-npws';
import { createPair, until } from '../support/pair.js';
import { PING } from '../support/raw-frames.js';
import { portOf, startServer } from '../support/raw-joined.js';
import { connectNamed } from '../support/raw-peer.js';
import { FaultRelay } from '../support/fault-relay.js';

describe('a peer that is killed', () => {
  it('leaves idle at once and is dialled again', async () => {
    await using server = await startServer({ maxCapacity: 50 });
    await using relay = await FaultRelay.to(portOf(server));
    await using client = createClientPool({
      address: `127.0.0.1:${relay.port}`,
      tlsMode: 'none',
      minCapacity: 20,
      maxCapacity: 20,
      minInterval: 20,
      maxInterval: 20,
    });
    await client.start();
    await until(client, () => client.active() === 20 && server.active() === 20);
    const since = performance.now();
    relay.cut();
    await until(client, () => client.stats().evicted === 20);
    await until(server, () => server.stats().evicted === 20);
    expect(performance.now() - since).toBeLessThan(1_000);
    await until(client, () => client.active() === 20);
    await until(server, () => server.active() === 20);
    expect(relay.injected).toBe(20);
    for (let i = 0; i < 20; i++) {
      const atServer = await server.incomingGet(0);
      (await client.outgoingGet(atServer.id)).end('alive');
      for await (const bytes of atServer) expect(String(bytes)).toBe('alive');
    }
  });

  it.each([1, 5])('when %i of 5 were idle: none that is dead is handed out', async (killed) => {
    await using server = await startServer();
    const clients = [];
    for (let i = 0; i < 5; i++) clients.push(await connectNamed(portOf(server)));
    for (const { peer } of clients.slice(0, killed)) await peer.reset();
    await until(server, () => server.stats().evicted === killed);
    expect(server.active()).toBe(5 - killed);
    const left = [];
    while (server.active() > 0) left.push((await server.incomingGet(0)).id);
    expect(left).toEqual(clients.slice(killed).map(({ id }) => id));
    for (const { peer } of clients) peer.socket.destroy();
  });
});

describe('a peer that falls silent', () => {
  it('is evicted at both ends when it used to answer pings, within keepAlive + deadline + 0.5 s', async () => {
    const keepAlive = 1_000;
    await using server = await startServer({ keepAlive });
    await using relay = await FaultRelay.to(portOf(server));
    await using client = createClientPool({
      address: `127.0.0.1:${relay.port}`,
      tlsMode: 'none',
      minCapacity: 5,
      maxCapacity: 5,
      maxInterval: 60_000,
      minInterval: 60_000,
      keepAlive,
      drainTimeout: 0,
    });
    await client.start();
    await until(client, () => client.active() === 5);
    // Each end has learnt by now that the other answers.
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    expect([client.stats().evicted, server.stats().evicted]).toEqual([0, 0]);
    const since = performance.now();
    relay.blackHole();
    await Promise.all([
      until(client, () => client.stats().evicted === 5),
      until(server, () => server.stats().evicted === 5),
    ]);
    // The deadline for a pong is never longer than the period.
    expect(performance.now() - since).toBeLessThan(keepAlive + keepAlive + 1_500);
    expect(relay.injected).toBe(5);
  });

  it('stays when it never answered a ping, and gets no second one', async () => {
    await using server = await startServer({ keepAlive: 1_000 });
    const { peer } = await connectNamed(portOf(server));
    let pings = 0;
    const counted = (async () => {
      for (;;) {
        await peer.frameOfKind(PING);
        pings++;
      }
    })().catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    expect([pings, server.active(), server.stats().evicted]).toEqual([1, 1, 0]);
    peer.socket.destroy();
    await counted;
  });

  it('is not evicted while both are healthy', async () => {
    await using pair = await createPair({ server: { keepAlive: 1_000 }, client: { keepAlive: 1_000 } });
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    expect([pair.client.stats().evicted, pair.server.stats().evicted]).toEqual([0, 0]);
  });
});
