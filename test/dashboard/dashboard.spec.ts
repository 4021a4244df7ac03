import { type EventEmitter, once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from '@jest/globals';
import { Module } from '@nestjs/common';
import { IoAdapter } from '@nestjs/platform-socket.io';
import { WsAdapter } from '@nestjs/platform-ws';
import { NpwsModule } from 'nestjs-npws';
import { type DashboardFrame, type DashboardGuard, NpwsDashboardModule } from 'nestjs-npws/dashboard';
import { WebSocket } from 'ws';
import { boot, type BootedApp, LOCAL, PLATFORMS, quickClient } from '../support/apps.js';
import { until } from '../support/pair.js';

type Platform = (typeof PLATFORMS)[number];

function bootDashboard(
  dashboard = NpwsDashboardModule.forRoot(),
  { platform = 'express', prefix }: { platform?: Platform; prefix?: string } = {},
): Promise<BootedApp> {
  const pools = [
    NpwsModule.forRoot({ server: { listen: LOCAL, maxCapacity: 10, drainTimeout: 0 } }),
    NpwsModule.forRoot({ name: 'idle', server: { listen: LOCAL } }),
  ];
  return boot(
    { imports: [...pools, dashboard] },
    {
      platform,
      prepare: (app) => {
        app.useWebSocketAdapter(new WsAdapter(app));
        if (prefix) app.setGlobalPrefix(prefix);
      },
    },
  );
}

interface Answer {
  readonly status: number | undefined;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

async function get(url: string, headers: Record<string, string> = {}): Promise<Answer> {
  const asked = request(url, { agent: false, headers }).end();
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  return { status: response.statusCode, headers: response.headers, body: await text(response) };
}

/** The status that a request for the feed is answered with: 101 when it is let in. */
async function feedStatus(
  { url }: BootedApp,
  headers: Record<string, string> = {},
): Promise<number | undefined> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/npws-dashboard/feed`, { headers });
  const refused = once(socket, 'unexpected-response').then(([asked, response]) => {
    (asked as { destroy(): void }).destroy();
    return (response as IncomingMessage).statusCode;
  });
  refused.catch(() => undefined);
  const status = await Promise.race([once(socket, 'open').then(() => 101), refused]);
  socket.on('error', () => undefined).terminate();
  return status;
}

/** The frames of a feed, one after the other. */
async function* framesOf({ url }: BootedApp): AsyncGenerator<DashboardFrame> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/npws-dashboard/feed`);
  try {
    for (;;) {
      const [data] = (await once(socket, 'message')) as [Buffer];
      yield JSON.parse(data.toString()) as DashboardFrame;
    }
  } finally {
    socket.terminate();
  }
}

describe.each(PLATFORMS)('the dashboard on %s', (platform) => {
  it('is one page that loads nothing but its feed', async () => {
    await using booted = await bootDashboard(undefined, { platform });
    const { status, headers, body } = await get(`${booted.url}/npws-dashboard`);
    expect(status).toBe(200);
    expect(headers['content-type']).toBe('text/html; charset=utf-8');
    expect(headers['cache-control']).toBe('no-store');
    expect(headers['content-security-policy']).toMatch(
      /^default-src 'none'; script-src 'sha256-\S+' 'sha256-\S+'; /,
    );
    expect(body).toContain('<body data-feed="/npws-dashboard/feed">');
    expect(body).not.toMatch(/(?:src|href)="(?!data:)/);
    expect(body).not.toContain('{{');
  });

  it('streams every pool as it is: its stats, its health and its connections', async () => {
    await using booted = await bootDashboard(undefined, { platform });
    await using near = await boot({
      imports: [NpwsModule.forRoot({ client: quickClient(booted.poolPort, { drainTimeout: 0 }) })],
    });
    await until(booted.server, () => booted.server.active() === 2);
    for await (const { at, pools } of framesOf(booted)) {
      expect(Math.abs(Date.now() - at)).toBeLessThan(5_000);
      const [first, second] = pools;
      expect(pools).toHaveLength(2);
      expect(first?.stats).toMatchObject({ name: 'default', role: 'server', active: 2, used: 0 });
      expect(first?.health).toEqual({ up: true, degraded: false, reason: null });
      expect(first?.connections.map(({ state }) => state)).toEqual(['idle', 'idle']);
      expect(second?.stats.name).toBe('idle');
      break;
    }
    // And what changes.
    const held = await booted.server.incomingGet();
    for await (const { pools } of framesOf(booted)) {
      if (pools[0]?.stats.used === 1) break;
    }
    held.destroy();
    await near.app.close();
  });

  it('is refused to whoever asks by way of a proxy, under another name, or from a page of another site', async () => {
    await using booted = await bootDashboard(undefined, { platform });
    const page = `${booted.url}/npws-dashboard`;
    const { host } = new URL(booted.url);
    expect((await get(page, { 'X-Forwarded-For': '192.0.2.1' })).status).toBe(403);
    expect((await get(page, { Forwarded: 'for=192.0.2.1' })).status).toBe(403);
    expect((await get(page, { Via: '1.1 proxy' })).status).toBe(403);
    expect((await get(page, { Host: 'pools.example' })).status).toBe(403);
    expect((await get(page, { Host: 'pools.example' })).body).toContain('NpwsDashboardModule');
    expect((await get(page, { Host: 'localhost:3000' })).status).toBe(200);
    expect((await get(page, { Host: '[::1]:3000' })).status).toBe(200);
    expect(await feedStatus(booted)).toBe(101);
    expect(await feedStatus(booted, { Origin: `http://${host}` })).toBe(101);
    expect(await feedStatus(booted, { Origin: 'http://evil.example' })).toBe(403);
    expect(await feedStatus(booted, { Origin: 'null' })).toBe(403);
    expect(await feedStatus(booted, { 'X-Real-IP': '192.0.2.1' })).toBe(403);
  });

  it('is open to those whom a guard lets in, page and feed', async () => {
    const guard: DashboardGuard = ({ headers }) => headers.authorization === 'Bearer sesame';
    const dashboard = NpwsDashboardModule.forRootAsync({ useFactory: () => ({ guard }) });
    await using booted = await bootDashboard(dashboard, { platform });
    const page = `${booted.url}/npws-dashboard`;
    const sesame = { Authorization: 'Bearer sesame', 'X-Forwarded-For': '192.0.2.1' };
    expect((await get(page)).status).toBe(403);
    expect((await get(page, sesame)).status).toBe(200);
    expect(await feedStatus(booted)).toBe(403);
    expect(await feedStatus(booted, sesame)).toBe(101);
  });

  it('closes with the application while somebody watches', async () => {
    const booted = await bootDashboard(undefined, { platform });
    const frames = framesOf(booted);
    await frames.next();
    await booted.app.close();
    await frames.return(undefined);
  });
});

describe('the dashboard', () => {
  it.each([
    ['an error', new Error('no database'), 'no database'],
    ['nothing', undefined, 'undefined'],
    ["a stranger's words", new Error('bad\n\u001b[2Jtoken'), String.raw`bad\u000a\u001b[2Jtoken`],
  ])('lets nobody in when its guard fails with %s, and says so in the log', async (_, reason, told) => {
    // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- as guards do that wrap callbacks
    const guard: DashboardGuard = () => Promise.reject(reason);
    await using booted = await bootDashboard(NpwsDashboardModule.forRoot({ guard }));
    expect((await get(`${booted.url}/npws-dashboard`)).status).toBe(403);
    expect(await feedStatus(booted)).toBe(403);
    expect(booted.logger.lines).toContain(
      `error [NpwsDashboard] the guard failed, so nobody is let in: ${told}`,
    );
  });

  it('has the path that it is given; a global prefix goes before that of the page', async () => {
    const dashboard = NpwsDashboardModule.forRoot({ path: '/ops/pools' });
    await using booted = await bootDashboard(dashboard, { prefix: 'api' });
    const { status, body } = await get(`${booted.url}/api/ops/pools`);
    expect(status).toBe(200);
    expect(body).toContain('data-feed="/ops/pools/feed"');
  });

  it.each(['ops', '/ops/', '/', '/a b', '/"'])('refuses %j as its path', (path) => {
    expect(() => NpwsDashboardModule.forRoot({ path })).toThrow(
      `NpwsDashboardModule: path: expected a path such as '/npws-dashboard', of letters, digits and -._~, got ${JSON.stringify(path)}`,
    );
  });

  it.each([
    ['Socket.IO', true],
    ['the adapter that Nest takes by itself', false],
  ])('fails the boot under %s, with the way out', async (_, isExplicit) => {
    @Module({ imports: [NpwsDashboardModule.forRoot()] })
    class PageOnly {}
    const booting = boot(
      { imports: [PageOnly] },
      { prepare: (app) => (isExplicit ? app.useWebSocketAdapter(new IoAdapter(app)) : undefined) },
    );
    await expect(booting).rejects.toThrow(
      'NpwsDashboardModule needs the WebSocket adapter of @nestjs/platform-ws: call app.useWebSocketAdapter(new WsAdapter(app))',
    );
  });

  it('makes frames only while somebody watches', async () => {
    await using booted = await bootDashboard();
    const pool = booted.server['pool'] as EventEmitter;
    const before = pool.listenerCount('change');
    const frames = framesOf(booted);
    await frames.next();
    expect(pool.listenerCount('change')).toBe(before + 1);
    const left = new Promise<void>((resolve) => {
      pool.on('removeListener', (event) => {
        if (event === 'change') resolve();
      });
    });
    await frames.return(undefined);
    await left;
    expect(pool.listenerCount('change')).toBe(before);
  });
});
