import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { describe, expect, it } from '@jest/globals';
import { type ClientPoolOptions, createClientPool, type NpwsError } from 'nestjs-npws';
import { createCertificate } from '../support/certificates.js';
import { until } from '../support/pair.js';
import { frameOf, PING } from '../support/raw-frames.js';
import { portOf, startServer } from '../support/raw-joined.js';
import { connectNamed, type RawPeer, RawServer, switching, upgradeRequest } from '../support/raw-peer.js';

const HELD = 1_000;

/** Opens connections until so many are held, each left as `hold` leaves it. */
async function hold(count: number, open: () => Promise<Socket>): Promise<Socket[]> {
  const held: Socket[] = [];
  while (held.length < count) {
    held.push(...(await Promise.all(Array.from({ length: Math.min(50, count - held.length) }, open))));
  }
  return held;
}

/** A TCP connection that has sent these bytes and says no more. */
const silentAfter =
  (port: number, bytes: string | Buffer) =>
  (): Promise<Socket> =>
    new Promise((resolve) => {
      const socket = connect(port, '127.0.0.1', () => socket.write(bytes, () => { resolve(socket); }));
      socket.on('error', () => undefined);
    }); // prettier-ignore

/** The same over TLS. */
const silentInTls =
  (port: number, bytes: string) =>
  (): Promise<Socket> =>
    new Promise((resolve) => {
      const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false }, () => {
        if (bytes === '') resolve(socket);
        else socket.write(bytes, () => { resolve(socket); });
      });
      socket.on('error', () => undefined);
    }); // prettier-ignore

describe(`${HELD} strangers who fall silent`, () => {
  it.each<[string, boolean, ((port: number) => () => Promise<Socket>)[]]>([
    [
      'after TCP, within the request line and before the last line of the head',
      false,
      ['', 'GE', upgradeRequest().slice(0, -2)].map((bytes) => (port) => silentAfter(port, bytes)),
    ],
    [
      'before TLS, within its first record, behind it and within the head over it',
      true,
      [
        (port) => silentAfter(port, ''),
        (port) => silentAfter(port, Buffer.from([0x16, 3, 1, 2, 0, 1])),
        (port) => silentInTls(port, ''),
        (port) => silentInTls(port, upgradeRequest().slice(0, -2)),
      ],
    ],
  ])('%s keep nobody else from getting in, and are all dropped at the deadline', async (_, isSecure, stages) => {
    const tls = isSecure ? { tls: await createCertificate() } : {};
    await using pool = await startServer({ maxCapacity: 20, handshakeTimeout: 5_000, ...tls });
    const held: Socket[] = [];
    for (const silent of stages) held.push(...(await hold(Math.ceil(HELD / stages.length), silent(portOf(pool)))));
    let dropped = 0;
    for (const socket of held) {
      if (socket.closed) dropped++;
      else socket.resume().once('close', () => dropped++);
    }
    const good: RawPeer[] = [];
    while (good.length < 20) good.push((await connectNamed(portOf(pool), { tls: isSecure })).peer);
    expect(pool.active()).toBe(20);
    await until(pool, () => pool.stats().rejected === held.length);
    while (dropped < held.length) await new Promise((resolve) => setImmediate(resolve));
    expect(held.length).toBeGreaterThanOrEqual(HELD);
    expect([pool.active(), pool.stats().connecting, pool.errorCount()]).toEqual([20, 0, 0]);
    for (const { socket } of good) socket.destroy();
  }, 60_000); // prettier-ignore

  it('after the hand-shake, reading nothing, are connections like any other', async () => {
    await using pool = await startServer({ maxCapacity: HELD + 1 });
    const held = await hold(HELD, silentAfter(portOf(pool), upgradeRequest()));
    await until(pool, () => pool.active() === HELD);
    for (const socket of held) socket.pause();
    const { peer, id } = await connectNamed(portOf(pool));
    (await pool.outgoingGet(id)).end('well');
    expect((await peer.frame()).payload.toString()).toBe('well');
    for (const socket of [...held, peer.socket]) socket.destroy();
    await until(pool, () => pool.active() + pool.stats().used === 0);
  }, 60_000);
});

describe('servers that fall silent', () => {
  it.each<[string, ClientPoolOptions['tlsMode'], (peer: RawPeer) => unknown]>([
    ['after TCP', 'none', () => undefined],
    ['within TLS', 'self-signed', () => undefined],
    ['before the ID', 'none', (peer) => peer.accept()],
    ['within the ID', 'none', (peer) => peer.accept(frameOf(Buffer.alloc(3)))],
  ])('%s keep no other dial from its ID, and are dropped at the deadline', async (_, tlsMode, answer) => {
    const silent: RawPeer[] = [];
    await using server = await RawServer.listen(undefined, (peer) => {
      silent.push(peer);
      return answer(peer);
    });
    await using stuck = createClientPool({ address: `127.0.0.1:${server.port}`, tlsMode, minCapacity: 200, maxCapacity: 200, maxConcurrentDials: 200, dialTimeout: 2_000, maxBackoff: 60_000 });
    stuck.on('warning', () => undefined);
    await stuck.start();
    while (silent.length < 200) await server.next();
    await using good = await startServer({ maxCapacity: 20 });
    await using healthy = createClientPool({ address: `127.0.0.1:${portOf(good)}`, tlsMode: 'none', minCapacity: 20, maxCapacity: 20 });
    await healthy.start();
    await until(healthy, () => healthy.active() === 20);
    await until(stuck, () => stuck.errorCount() >= 200);
    for (const peer of silent) await peer.gone;
    expect([stuck.active(), stuck.stats().connecting, healthy.active()]).toEqual([0, 0, 20]);
  }, 30_000); // prettier-ignore
});

describe('the deadline of a dial', () => {
  it('is one for all stages: a server that is just in time at each of them is dropped all the same', async () => {
    const stages: string[] = [];
    const dripped = async (peer: RawPeer, bytes: Buffer, stage: string): Promise<void> => {
      stages.push(stage);
      for (const byte of bytes) {
        if (peer.socket.destroyed) return;
        peer.write(Buffer.of(byte));
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    };
    await using server = await RawServer.listen(await createCertificate(), async (peer) => {
      const request = await peer.head();
      await dripped(peer, switching(request), 'head');
      for (let ping = 0; ping < 20; ping++) await dripped(peer, frameOf(Buffer.alloc(3), { opcode: PING }), 'pings');
      await dripped(peer, frameOf(Buffer.alloc(4)), 'ID');
    });
    await using pool = createClientPool({ address: `127.0.0.1:${server.port}`, tlsMode: 'self-signed', dialTimeout: 1_000, maxBackoff: 60_000 });
    pool.on('warning', () => undefined);
    const failed = new Promise<NpwsError>((resolve) => pool.once('dialError', resolve));
    await pool.start();
    const { code, message } = await failed;
    expect([code, message]).toEqual(['ERR_NPWS_DIAL', expect.stringContaining('timed out after 1000 ms while awaiting the ID')]);
    await server.peers[0]?.gone;
    expect([new Set(stages), pool.active()]).toEqual([new Set(['head', 'pings']), 0]);
  }); // prettier-ignore
});
