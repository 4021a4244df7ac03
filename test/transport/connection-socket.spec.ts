import { once } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import { createJoined, createRawClient, portOf, startServer } from '../support/raw-joined.js';
import { connectRaw } from '../support/raw-peer.js';

describe('a connection as a socket', () => {
  it("emits 'timeout' when nothing moves for that long and stays open", async () => {
    await using joined = await createJoined();
    const since = performance.now();
    joined.atServer.setTimeout(60);
    await once(joined.atServer, 'timeout');
    expect(performance.now() - since).toBeGreaterThanOrEqual(55);
    expect(joined.atServer.destroyed).toBe(false);
    joined.atClient.write('still there');
    await once(joined.atServer, 'data');
    await once(joined.atServer, 'timeout');
  });

  it("puts 'timeout' off while bytes move, either way", async () => {
    await using joined = await createJoined();
    let timeouts = 0;
    joined.atServer.setTimeout(150, () => timeouts++);
    for (let i = 0; i < 15; i++) {
      const arrived = once(i % 2 ? joined.atServer : joined.atClient, 'data');
      (i % 2 ? joined.atClient : joined.atServer).write('x');
      await arrived;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(timeouts).toBe(0);
    await once(joined.atServer, 'timeout');
    expect(timeouts).toBe(1);
  });

  it("never emits 'timeout' after setTimeout(0) or once it is destroyed", async () => {
    await using joined = await createJoined();
    let timeouts = 0;
    joined.atServer.setTimeout(20, () => timeouts++);
    joined.atServer.setTimeout(0);
    joined.atClient.on('timeout', () => timeouts++);
    joined.atClient.destroy();
    joined.atClient.setTimeout(20);
    await new Promise((resolve) => setTimeout(resolve, 80));
    expect(timeouts).toBe(0);
  });

  it.each([-1, NaN, '60', undefined])('refuses %p as a time-out', async (ms) => {
    await using joined = await createJoined();
    expect(() => joined.atServer.setTimeout(ms as number)).toThrow(RangeError);
    expect(() => joined.atServer.setTimeout(ms as number)).toThrow(
      'setTimeout: expected milliseconds from 0',
    );
  });

  it.each([Infinity, 2 ** 40])('takes a time-out of %d ms for one that nobody lives to see', async (ms) => {
    await using joined = await createJoined();
    const warned: Error[] = [];
    const warn = (warning: Error): number => warned.push(warning);
    process.on('warning', warn);
    let timeouts = 0;
    joined.atServer.setTimeout(ms, () => timeouts++);
    await new Promise((resolve) => setTimeout(resolve, 50));
    process.off('warning', warn);
    expect([timeouts, warned]).toEqual([0, []]);
  });

  it('knows both addresses and takes the settings of a socket', async () => {
    await using joined = await createJoined();
    const { atServer, atClient } = joined;
    expect(atServer.remoteAddress).toBe('127.0.0.1');
    expect([atServer.remotePort, atServer.localPort]).toEqual([atClient.localPort, atClient.remotePort]);
    expect(atClient.localAddress).toBe(atServer.remoteAddress);
    for (const end of [atServer, atClient]) {
      expect(end.setNoDelay(false).setNoDelay().setKeepAlive(true, 5_000).unref().ref()).toBe(end);
      expect([end.protocol, end.tls]).toEqual([2, null]);
    }
  });

  it('shows an IPv4 client of a dual-stack listener as IPv4', async () => {
    await using pool = await startServer({ listen: { host: '::', port: 0 } });
    const peer = await connectRaw(portOf(pool));
    await peer.upgrade();
    const connection = await pool.incomingGet();
    expect([connection.remoteAddress, connection.localAddress]).toEqual(['127.0.0.1', '127.0.0.1']);
    peer.socket.destroy();
  });

  it('tells what TLS agreed on', async () => {
    await using joined = await createJoined({ tls: true });
    expect(joined.atClient.tls).toMatchObject({ protocol: 'TLSv1.3', authorized: false });
    expect(joined.atClient.tls?.peerCertificate?.subject.CN).toBe('nestjs-npws test');
    expect(joined.atServer.tls).toMatchObject({ protocol: 'TLSv1.3', peerCertificate: null });
    expect(joined.atServer.tls?.cipher.name).toBe(joined.atClient.tls?.cipher.name);
  });

  it('answers a ping of the peer while in use', async () => {
    await using raw = await createRawClient();
    raw.peer.send(Buffer.from('are you there'), { opcode: 9 });
    expect((await raw.peer.frameOfKind(10)).payload.toString()).toBe('are you there');
  });
});
