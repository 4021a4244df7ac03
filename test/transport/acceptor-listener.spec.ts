import { once } from 'node:events';
import dns from 'node:dns';
import { createServer } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { createServerPool } from 'nestjs-npws';
import { portOf, startServer } from '../support/raw-joined.js';
import { connectNamed } from '../support/raw-peer.js';

describe('a listener of the application', () => {
  it('may listen already', async () => {
    const listener = createServer().listen(0, '127.0.0.1');
    await once(listener, 'listening');
    await using pool = await startServer({ listener });
    const { peer } = await connectNamed(portOf(pool));
    expect([pool.ready(), pool.active()]).toEqual([true, 1]);
    peer.socket.destroy();
  });

  it('may begin to listen later', async () => {
    const listener = createServer();
    await using pool = createServerPool({ listener });
    const started = pool.start();
    expect(pool.ready()).toBe(false);
    listener.listen(0, '127.0.0.1');
    await started;
    expect([pool.ready(), portOf(pool) > 0]).toEqual([true, true]);
  });

  it('that never listens fails the start, which may be tried again', async () => {
    const listener = createServer();
    await using pool = createServerPool({ listener, handshakeTimeout: 50 });
    await expect(pool.start()).rejects.toMatchObject({ code: 'ERR_NPWS_LISTEN' });
    expect([pool.ready(), pool.errorCount()]).toEqual([false, 1]);
    listener.listen(0, '127.0.0.1');
    await pool.start();
    expect(pool.ready()).toBe(true);
  });

  it('that the application closes ends readiness, and serves each client once after it is started again', async () => {
    const listener = createServer().listen(0, '127.0.0.1');
    await using pool = await startServer({ listener });
    await new Promise((resolve) => listener.close(resolve));
    expect([pool.ready(), pool.address()]).toEqual([false, null]);
    listener.listen(0, '127.0.0.1');
    await pool.start();
    const { peer } = await connectNamed(portOf(pool));
    expect([pool.ready(), pool.active(), listener.listenerCount('connection')]).toEqual([true, 1, 1]);
    peer.socket.destroy();
  });

  it('that the application closes ends readiness at once, whoever is connected, until it listens again', async () => {
    const listener = createServer().listen(0, '127.0.0.1');
    await using pool = await startServer({ listener });
    const { peer } = await connectNamed(portOf(pool));
    listener.close();
    expect([pool.ready(), pool.health().up, pool.address(), pool.active()]).toEqual([false, false, null, 1]);
    const isReady = pool.whenReady();
    listener.listen(0, '127.0.0.1');
    await isReady;
    expect([pool.ready(), pool.health().up]).toEqual([true, true]);
    const next = await connectNamed(portOf(pool));
    expect([pool.active(), listener.listenerCount('connection')]).toEqual([2, 1]);
    for (const one of [peer, next.peer]) one.socket.destroy();
  });

  it('is given back without our listeners when the pool closes', async () => {
    const listener = createServer().listen(0, '127.0.0.1');
    const pool = await startServer({ listener });
    await pool.close();
    const left = listener.eventNames().filter((name) => name !== 'connection' && name !== 'close');
    expect([listener.listening, left, listener.listenerCount('connection')]).toEqual([false, [], 0]);
  });

  it('on a Unix socket is refused', async () => {
    const listener = createServer().listen(`\0npws-test-${process.pid}`);
    const pool = createServerPool({ listener });
    await expect(pool.start()).rejects.toMatchObject({ code: 'ERR_NPWS_LISTEN' });
    listener.close();
    await pool.close();
  });
});

describe('a host whose name takes too long to find', () => {
  it.each([
    ['not found', new Error('ENOTFOUND')],
    ['found', null],
  ])('fails the start, and is of no account when it is %s at last', async (_, error) => {
    const { lookup } = dns;
    const asked = new Promise<() => void>((resolve) => {
      dns.lookup = ((_host: string, ...rest: unknown[]) => {
        // From Node 22 on it asks for all addresses.
        const found = rest.length > 1 ? [{ address: '127.0.0.1', family: 4 }] : '127.0.0.1';
        const answer = rest.at(-1) as (error: Error | null, found?: unknown, family?: number) => void;
        resolve(() => {
          answer(error, error ? undefined : found, 4);
        });
      }) as typeof lookup;
    });
    try {
      await using pool = createServerPool({ listen: { host: 'slow.test', port: 0 }, handshakeTimeout: 50 });
      await expect(pool.start()).rejects.toMatchObject({ code: 'ERR_NPWS_LISTEN' });
      const servers = (): number =>
        process.getActiveResourcesInfo().filter((name) => name === 'TCPServerWrap').length;
      const before = servers();
      (await asked)();
      await new Promise(setImmediate);
      expect([servers(), pool.ready()]).toEqual([before, false]);
    } finally {
      dns.lookup = lookup;
    }
  });
});

describe('a port in use', () => {
  it('fails the start with the code of Node, which may be tried again', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as { port: number };
    await using pool = createServerPool({ listen: { host: '127.0.0.1', port } });
    await expect(pool.start()).rejects.toMatchObject({
      code: 'ERR_NPWS_LISTEN',
      cause: { code: 'EADDRINUSE' },
    });
    expect([pool.ready(), pool.errorCount()]).toEqual([false, 1]);
    other.close();
    await once(other, 'close');
    await pool.start();
    expect([pool.ready(), portOf(pool)]).toEqual([true, port]);
  });
});
