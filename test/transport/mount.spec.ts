import { once } from 'node:events';
import { createServer, type Server as HttpServer } from 'node:http';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from '@jest/globals';
import { createServerPool, type PoolConnection, type ServerPool, type ServerPoolSettings } from 'nestjs-npws';
import { until } from '../support/pair.js';
import { connectRaw, type RawPeer, upgradeRequest } from '../support/raw-peer.js';

/** A pool on '/npws' of an HTTP server that answers with what it was asked. */
interface Mounted extends AsyncDisposable {
  http: HttpServer;
  pool: ServerPool<PoolConnection>;
  ask(start: string, lines?: string[], body?: string): Promise<RawPeer>;
}

async function mount(settings: ServerPoolSettings = {}): Promise<Mounted> {
  const http = createServer((request, response) => {
    void text(request).then((body) => response.end(`${request.method ?? ''} ${request.url ?? ''} ${body}`));
  });
  await once(http.listen(0, '127.0.0.1'), 'listening');
  const pool = createServerPool({ mount: { path: '/npws', server: http }, drainTimeout: 100, ...settings });
  await pool.start();
  return {
    http,
    pool,
    async ask(start, lines = [], body = '') {
      const peer = await connectRaw((http.address() as { port: number }).port);
      peer.write(upgradeRequest(lines, `${start} HTTP/1.1`) + body);
      return peer;
    },
    async [Symbol.asyncDispose]() {
      await pool.close();
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
    },
  };
}

describe('a server pool mounted on an HTTP server, without Nest', () => {
  it('refuses before the upgrade: 403 for a stranger, 503 when it is full, 426 for another protocol', async () => {
    await using stranger = await mount({ clientIP: '10.0.0.0/8' });
    expect(await (await stranger.ask('GET /npws')).head()).toContain('HTTP/1.1 403 Forbidden');
    expect(stranger.pool.stats().rejected).toBe(1);

    await using mounted = await mount({ maxCapacity: 1 });
    const first = await mounted.ask('GET /npws');
    expect(await first.head()).toContain('HTTP/1.1 101 Switching Protocols');
    expect(await (await mounted.ask('GET /npws')).head()).toContain('HTTP/1.1 503 Service Unavailable');
    expect(await (await mounted.ask('GET /npws', ['Upgrade: h2c'])).head()).toContain('HTTP/1.1 426');
    await first.reset();
  });

  it('answers 503 while it drains, and from then on until the server closes', async () => {
    await using mounted = await mount();
    const { http, pool } = mounted;
    pool.drain();
    expect(await (await mounted.ask('GET /npws')).head()).toContain('HTTP/1.1 503');
    await pool.close();
    expect(await (await mounted.ask('GET /npws')).head()).toContain('HTTP/1.1 503');
    await new Promise((resolve) => http.close(resolve));
    expect(Object.hasOwn(http, 'emit')).toBe(false);
    expect(http.listenerCount('upgrade')).toBe(0);
  });

  it('is ready until the server closes, whoever is connected then', async () => {
    await using mounted = await mount();
    const { http, pool } = mounted;
    const peer = await mounted.ask('GET /npws');
    expect(await peer.head()).toContain('HTTP/1.1 101');
    expect(pool.ready()).toBe(true);
    http.close();
    expect([pool.ready(), pool.health().up, pool.address(), pool.active()]).toEqual([false, false, null, 1]);
    await peer.reset();
  });

  it('is not ready when the server closes that began to listen behind it, though nobody has asked or come before', async () => {
    const http = createServer();
    await using pool = createServerPool({ mount: { path: '/npws', server: http } });
    await pool.start();
    await once(http.listen(0, '127.0.0.1'), 'listening');
    const { port } = http.address() as { port: number };
    const visitor = await connectRaw(port);
    http.close();
    expect(pool.ready()).toBe(false);
    await visitor.reset();
  });

  it('goes on where the server was closed and listens again before that was told', async () => {
    await using mounted = await mount();
    const { http, pool } = mounted;
    const isTold = once(http, 'close');
    http.close();
    const isReady = pool.whenReady();
    // Without a host there is no name to look up: it listens at once.
    http.listen(`\0npws-test-${process.pid}`);
    await isTold;
    await isReady;
    expect([pool.ready(), Object.hasOwn(http, 'emit')]).toEqual([true, true]);
  });

  it('shares what it needs of the server with however many others', async () => {
    await using mounted = await mount();
    const { http } = mounted;
    const counts = (): number[] => http.eventNames().map((name) => http.listenerCount(name));
    const before = counts();
    const pools = Array.from({ length: 20 }, (_, i) =>
      createServerPool({ mount: { path: `/npws/${i}`, server: http }, drainTimeout: 0 }),
    );
    await Promise.all(pools.map((pool) => pool.start()));
    expect(counts()).toEqual(before);
    const peer = await mounted.ask('GET /npws/19');
    expect(await peer.head()).toContain('HTTP/1.1 101');
    await peer.reset();
    http.close();
    await Promise.all(pools.map((pool) => until(pool, () => !pool.ready())));
    await Promise.all(pools.map((pool) => pool.close()));
  });

  it('leaves its path to another pool when it is closed', async () => {
    await using mounted = await mount();
    await mounted.pool.close();
    await using next = createServerPool({ mount: { path: '/npws', server: mounted.http }, drainTimeout: 0 });
    await next.start();
    const peer = await mounted.ask('GET /npws');
    expect(await peer.head()).toContain('HTTP/1.1 101');
    await peer.reset();
  });

  it('leaves a request alone that offers an upgrade of another path, as Java does with HTTP/2', async () => {
    await using mounted = await mount();
    const h2c = ['Connection: Upgrade, HTTP2-Settings, close', 'Upgrade: h2c', 'HTTP2-Settings: AAEAAEAA'];
    const peer = await mounted.ask('POST /orders?q=1', [...h2c, 'Content-Length: 9'], 'two books');
    expect(String(await peer.rest())).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*POST \/orders\?q=1 two books/);
  });

  it('keeps such a connection for more requests', async () => {
    await using mounted = await mount();
    const peer = await mounted.ask('GET /one');
    expect(await peer.head()).toContain('200 OK');
    peer.write('GET /two HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n');
    expect(String(await peer.rest())).toContain('GET /two');
  });

  it('leaves upgrades of other paths to their listener', async () => {
    await using mounted = await mount();
    mounted.http.on('upgrade', (request, socket) => {
      socket.end(`HTTP/1.1 418 ${request.url ?? ''}\r\n\r\n`);
    });
    expect(await (await mounted.ask('GET /teapot')).head()).toContain('418 /teapot');
    expect(await (await mounted.ask('GET /npws')).head()).toContain('101');
  });

  it('does not judge by headers that Node has dropped', async () => {
    await using mounted = await mount({ clientIP: '127.0.0.1', trustProxy: '127.0.0.1' });
    const many = Array.from({ length: 1_000 }, (_, at) => `A${at}: 1`);
    // The last one would tell that it is a stranger.
    const peer = await mounted.ask('GET /npws', [...many, 'X-Forwarded-For: 10.1.1.1']);
    expect(await peer.head()).toContain('HTTP/1.1 431');
  });

  it('leaves the listeners of others in place when it goes before them', async () => {
    await using mounted = await mount();
    const { http } = mounted;
    const before = http.emit.bind(http);
    const seen: string[] = [];
    http.emit = ((event: string, ...args: unknown[]) => {
      seen.push(event);
      return before(event as never, ...(args as never[]));
    }) as typeof http.emit;
    await new Promise((resolve) => http.close(resolve));
    await once(http.listen(0, '127.0.0.1'), 'listening');
    expect(await (await mounted.ask('GET /one')).head()).toContain('200 OK');
    expect(seen).toContain('request');
  });

  it('is over when the server closes, and can be mounted again', async () => {
    await using mounted = await mount();
    const { http, pool } = mounted;
    await new Promise((resolve) => http.close(resolve));
    await until(pool, () => !pool.ready());
    expect(pool.health()).toEqual({ up: false, degraded: false, reason: 'not listening' });
    await once(http.listen(0, '127.0.0.1'), 'listening');
    await pool.start();
    expect(pool.ready()).toBe(true);
    const { port } = http.address() as { port: number };
    expect(pool.address()).toEqual({ host: '127.0.0.1', port });
  });

  // With a body that does not come, Node 26 has something else in the socket's place.
  it.each([[[]], [['Content-Length: 1000']]])(
    'survives a stranger who resets while being refused (%j)',
    async (lines) => {
      await using mounted = await mount({ clientIP: '10.0.0.0/8' });
      const rejected = once(mounted.pool, 'reject');
      const peer = await mounted.ask('GET /npws', lines);
      const gone = peer.reset();
      await Promise.all([rejected, gone]);
      expect(await (await mounted.ask('GET /npws')).head()).toContain('403');
    },
  );

  it('needs a server', () => {
    expect(() => createServerPool({ mount: { path: '/npws' } })).toThrow(
      'server.mount.server: expected an http.Server or https.Server (only a Nest application has one of its own to give), got undefined',
    );
  });
});
