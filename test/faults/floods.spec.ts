import { once } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import { memoryInUse } from '../support/memory.js';
import { until } from '../support/pair.js';
import { bytesOf, digestOf, outcomeOf } from '../support/raw-bytes.js';
import { CLOSE, closePayload, frameOf, PING, PONG } from '../support/raw-frames.js';
import { createJoined, createRawServerPool, portOf, startServer } from '../support/raw-joined.js';
import { connectNamed, connectRaw, type RawPeer } from '../support/raw-peer.js';

/** Bytes in use after a collection. */
async function memory(): Promise<number> {
  const { heapUsed, external } = await memoryInUse();
  return heapUsed + external;
}

describe('a flood of dials at a server that is full', () => {
  it('is answered with 503 each time, while those who are in echo on', async () => {
    await using joined = await createJoined({ server: { maxCapacity: 1 }, client: { minCapacity: 1, maxCapacity: 1 } });
    const { pair, atServer, atClient } = joined;
    await until(pair.server, () => pair.server.active() === 1);
    let isOver = false;
    const statuses = new Map<string, number>();
    const flood = Array.from({ length: 20 }, async () => {
      while (!isOver) {
        const stranger = await connectRaw(portOf(pair.server));
        const [, status = ''] = (await stranger.upgrade()).split(' ');
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
        stranger.socket.destroy();
      }
    });
    atServer.on('data', (bytes: Buffer) => atServer.write(bytes));
    while ((statuses.get('503') ?? 0) < 20) await new Promise((resolve) => setImmediate(resolve));
    for (let i = 0; i < 500; i++) {
      const bytes = bytesOf(1_000, i % 251);
      atClient.write(bytes);
      let echo = Buffer.alloc(0);
      while (echo.length < bytes.length) {
        const [part] = (await once(atClient, 'data')) as [Buffer];
        echo = Buffer.concat([echo, part]);
      }
      expect(digestOf(echo)).toBe(digestOf(bytes));
    }
    isOver = true;
    await Promise.all(flood);
    expect([...statuses.keys()]).toEqual(['503']);
    expect(statuses.get('503')).toBeGreaterThan(100);
    expect([pair.server.active(), pair.server.stats().used, pair.server.errorCount()]).toEqual([1, 1, 0]);
  }, 60_000); // prettier-ignore
});

describe('early data', () => {
  it("of servers floods a client's idle connections no further than 256 KiB each, and arrives whole", async () => {
    const COUNT = 8;
    const sent = bytesOf(6 << 20);
    const frames: Buffer[] = [];
    for (let at = 0; at < sent.length; at += 50_000) frames.push(frameOf(sent.subarray(at, at + 50_000)));
    const flood = Buffer.concat(frames);
    let named = 0;
    await using raw = await createRawServerPool(async (peer) => {
      const id = Buffer.from([0, 0, 1, ++named]);
      await peer.accept(frameOf(id));
      peer.write(flood, frameOf(closePayload(1000), { opcode: CLOSE }));
    }, { maxCapacity: COUNT, minCapacity: COUNT, minInterval: 60_000, maxInterval: 60_000 }); // prettier-ignore
    await until(raw.pool, () => raw.pool.stats().owed === COUNT);
    // Nothing moves any more when the server can't send.
    const left = (): number => raw.server.peers.reduce((sum, { socket }) => sum + socket.writableLength, 0);
    for (let before = -1; before !== left();) {
      before = left();
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect(left()).toBeGreaterThan(COUNT << 20);
    for (let i = 1; i <= COUNT; i++) {
      const connection = await raw.pool.outgoingGet(`0000010${i}`, 0);
      expect(connection.readableLength).toBeLessThanOrEqual(256 * 1024);
      const { bytes, ended } = await outcomeOf(connection);
      expect([digestOf(bytes), ended]).toEqual([digestOf(sent), true]);
    }
  }, 60_000);

  it('of a client that nobody comes for is held for claimTimeout, and not as if it had been read', async () => {
    await using pool = await startServer({ claimTimeout: 200 });
    const { peer } = await connectNamed(portOf(pool));
    peer.send(bytesOf(1_000));
    const close = await peer.frameOfKind(CLOSE);
    expect(close.payload.readUInt16BE(0)).toBe(1013);
    await until(pool, () => pool.stats().owed === 0);
    peer.socket.destroy();
  });
});

const FLOODS: [string, (masked: boolean) => Buffer][] = [
  ['empty messages', (masked) => frameOf(Buffer.alloc(0), { masked })],
  ['pongs that nobody asked for', (masked) => frameOf(Buffer.from('x'), { opcode: PONG, masked })],
];

describe('a flood of frames that bring nothing', () => {
  it.each(FLOODS)('(200,000 %s) costs no memory, and the connection is well afterwards', async (_, frame) => {
    await using pool = await startServer();
    const { peer, id } = await connectNamed(portOf(pool));
    peer.socket.resume();
    const batch = Buffer.concat(Array.from({ length: 1_000 }, () => frame(true)));
    const send = async (): Promise<void> => {
      for (let sent = 0; sent < 100; sent++) if (!peer.socket.write(batch)) await once(peer.socket, 'drain');
    };
    await send();
    const drained = async (): Promise<void> => {
      peer.send(Buffer.from('the last'), { opcode: PING });
      await peer.frameOfKind(PONG);
    };
    await drained();
    const before = await memory();
    await send();
    await drained();
    expect((await memory()) - before).toBeLessThan(4 << 20);
    expect(pool.active()).toBe(1);
    const connection = await pool.outgoingGet(id, 0);
    peer.send(Buffer.from('well'));
    peer.send(closePayload(1000), { opcode: CLOSE });
    expect((await outcomeOf(connection)).bytes.toString()).toBe('well');
  }, 60_000); // prettier-ignore

  it('(200,000 pings of a peer that reads no pong) costs no memory, and the connection is well afterwards', async () => {
    await using pool = await startServer();
    const { peer, id } = await connectNamed(portOf(pool));
    const before = await memory();
    peer.socket.pause();
    const batch = Buffer.concat(Array.from({ length: 1_000 }, () => frameOf(Buffer.alloc(125), { opcode: PING, masked: true })));
    for (let sent = 0; sent < 200; sent++) if (!peer.socket.write(batch)) await once(peer.socket, 'drain');
    while ((pool.connections()[0]?.bytes.received ?? Infinity) < 200 * batch.length) await new Promise((resolve) => setImmediate(resolve));
    expect((await memory()) - before).toBeLessThan(4 << 20);
    peer.socket.resume();
    const connection = await pool.outgoingGet(id, 0);
    peer.send(Buffer.from('well'));
    peer.send(closePayload(1000), { opcode: CLOSE });
    expect((await outcomeOf(connection)).bytes.toString()).toBe('well');
  }, 60_000); // prettier-ignore
});

describe('one client address', () => {
  it.each([1, 5])(
    'holds no more than maxPerAddress %i, and gives way when it lets go',
    async (maxPerAddress) => {
      await using pool = await startServer({ maxCapacity: 10, maxPerAddress });
      const named: RawPeer[] = [];
      while (named.length < maxPerAddress) named.push((await connectNamed(portOf(pool))).peer);
      const more = await connectRaw(portOf(pool));
      expect(await more.upgrade()).not.toMatch(/^HTTP\/1.1 101 /);
      expect(pool.active()).toBe(maxPerAddress);
      named[0]?.socket.destroy();
      await until(pool, () => pool.active() === maxPerAddress - 1);
      const { peer } = await connectNamed(portOf(pool));
      for (const { socket } of [...named, more, peer]) socket.destroy();
    },
  );
});
