import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { DynamicModule } from '@nestjs/common';
import { WsAdapter } from '@nestjs/platform-ws';
import { getClientPoolToken, NpwsModule, type PoolService, type PoolStats } from 'nestjs-npws';
import { NpwsDashboardModule } from 'nestjs-npws/dashboard';
import type { Page } from 'playwright-core';
import { freePort } from '../../sample/parts/free-port.js';
import { boot, type BootedApp, LOCAL, quickClient } from '../support/apps.js';
import { until } from '../support/pair.js';
import { startBrowser } from './browser.js';
import { describeWith } from './find-program.js';

/** How long the page may take to show what happened, in milliseconds. */
const SOON = 2_000;

/** What the page shows as it got it, by the names of `stats()`. */
const SHOWN = [
  'active', 'used', 'connecting', 'waiting', 'capacity', 'maxCapacity', 'opened', 'reused', 'errors', 'rejected',
] as const; // prettier-ignore

/** Far servers of two client pools, and the application with the dashboard, all on ports of their own. */
class Site {
  private constructor(
    readonly port: number,
    readonly ports: Readonly<Record<'north' | 'south', number>>,
    public north: BootedApp,
    readonly south: BootedApp,
    public app: BootedApp,
  ) {}

  static async open(): Promise<Site> {
    const ports = { north: await freePort(), south: await freePort() };
    const port = await freePort();
    const [north, south] = [await far(ports.north), await far(ports.south)];
    return new Site(port, ports, north, south, await near(port, ports));
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/npws-dashboard`;
  }

  pool(name: string): PoolService {
    return this.app.app.get<PoolService>(getClientPoolToken(name));
  }

  async reopenNorth(): Promise<void> {
    this.north = await far(this.ports.north);
  }

  async reopen(): Promise<void> {
    this.app = await near(this.port, this.ports);
  }

  async close(): Promise<void> {
    await this.app.app.close();
    await Promise.all([this.north.app.close(), this.south.app.close()]);
  }
}

function far(port: number): Promise<BootedApp> {
  const server = { listen: { host: '127.0.0.1', port }, maxCapacity: 20, drainTimeout: 0 };
  return boot({ imports: [NpwsModule.forRoot({ server })] });
}

function near(port: number, ports: Site['ports']): Promise<BootedApp> {
  const client = (name: keyof Site['ports']): DynamicModule =>
    NpwsModule.forRoot({
      name,
      client: quickClient(ports[name], { minCapacity: 4, maxCapacity: 8, maxBackoff: 200, drainTimeout: 0 }),
    });
  return boot(
    {
      imports: [
        client('north'),
        client('south'),
        NpwsModule.forRoot({ server: { listen: LOCAL, maxCapacity: 5 } }),
        NpwsDashboardModule.forRoot(),
      ],
    },
    // A browser opens connections ahead, on which it has asked nothing: Node alone would wait for them.
    { port, forceCloseConnections: true, prepare: (app) => app.useWebSocketAdapter(new WsAdapter(app)) },
  );
}

describeWith('chromium')('the dashboard in Chromium', () => {
  let site: Site;
  let chromium: Awaited<ReturnType<typeof startBrowser>>;
  let page: Page;
  const complaints: string[] = [];

  beforeAll(async () => {
    site = await Site.open();
    chromium = await startBrowser({ viewport: { width: 1_280, height: 900 } });
    page = await chromium.browser.newPage();
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(error.message));
    await until(site.pool('north'), () => site.pool('north').active() >= 4);
    await page.goto(site.url);
    await page.locator('.pool').nth(2).waitFor();
  }, 60_000);

  afterAll(async () => {
    await chromium[Symbol.asyncDispose]();
    await site.close();
  }, 60_000);

  /** The part of the page that shows a pool. */
  function card(name: string): ReturnType<Page['locator']> {
    return page.locator(`.pool[data-pool="${name}"]`);
  }

  /** Resolves when a pool is shown to be so. */
  async function shows(name: string, health: string, within = SOON): Promise<void> {
    await page.locator(`.pool[data-pool="${name}"][data-health="${health}"]`).waitFor({ timeout: within });
  }

  /** What the page shows of a pool. */
  function figuresOf(name: string): Promise<Record<string, string>> {
    return card(name)
      .locator('[data-value]')
      .evaluateAll((elements: unknown[]) => {
        const data = (elements as { dataset: Record<string, string> }[]).map(({ dataset }) => dataset);
        return Object.fromEntries(
          data.map(({ figure, reasons, value }): [string, string] => [figure ?? reasons ?? '', value ?? '']),
        );
      });
  }

  /** What it should show. */
  function expectedOf(stats: PoolStats): Record<string, string> {
    const { takes, times, bytes, closed } = stats;
    const shown: Record<string, unknown> = Object.fromEntries(SHOWN.map((key) => [key, stats[key]]));
    for (const [what, { p50, p99 }] of Object.entries(times)) {
      Object.assign(shown, { [`${what}-p50`]: p50, [`${what}-p99`]: p99 });
    }
    Object.assign(shown, { takes: takes.immediate + takes.waited, ...bytes });
    const { dialFailures, rejections } = stats;
    const reasons: [string, Readonly<Record<string, number>>][] = [
      ['closed', closed],
      stats.role === 'client' ? ['dialFailures', dialFailures] : ['rejections', rejections],
    ];
    for (const [key, counts] of reasons) {
      shown[key] = JSON.stringify(
        Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0)),
      );
    }
    return Object.fromEntries(Object.entries(shown).map(([key, value]) => [key, String(value)]));
  }

  /** Uses connections of a pool, one after another. */
  async function use(name: string, times: number): Promise<void> {
    const { server } = site[name as 'north' | 'south'];
    for (let i = 0; i < times; i++) {
      const near = await site.pool(name).incomingGet();
      const connection = await server.outgoingGet(near.id);
      near.end('x'.repeat(1_000));
      connection.end('y'.repeat(10_000));
      await Promise.all(
        [near.resume().once('error', () => undefined), connection.resume()].map((one) => closed(one)),
      );
    }
  }

  it('shows what stats() tells', async () => {
    await use('south', 20);
    const pool = site.pool('south');
    await until(pool, () => pool.stats()?.used === 0 && pool.stats()?.connecting === 0);
    const wanted = expectedOf(pool.stats() as PoolStats);
    await page.waitForFunction(
      (takes) =>
        (
          globalThis as unknown as {
            document: { querySelector(text: string): { dataset: { value: string } } };
          }
        ).document.querySelector('[data-pool="south"] [data-figure="takes"]').dataset.value === takes,
      wanted['takes'],
    );
    // The last bytes come without a change of the pool: within a second.
    await page.waitForTimeout(1_100);
    expect(await figuresOf('south')).toEqual(expectedOf(pool.stats() as PoolStats));
    expect(Number(wanted['takes'])).toBe(20);
    expect(Number(wanted['received'])).toBe(200_000);
  });

  it('marks a pool whose server is gone within 2 s, puts it first, and is green again when that is back', async () => {
    await shows('north', 'up');
    await site.north.app.close();
    await shows('north', 'down');
    expect(await page.locator('.pool').first().getAttribute('data-pool')).toBe('north');
    expect(await card('north').locator('.health').textContent()).toBe('✖ down');
    expect(await card('north').locator('.reason').textContent()).toContain('ECONNREFUSED');
    await site.reopenNorth();
    await shows('north', 'up', 5_000);
    expect(await card('north').locator('.reason').textContent()).toBe('');
  }, 30_000);

  it('tells of a server pool without a client', async () => {
    await shows('default', 'degraded');
    expect(await card('default').locator('.reason').textContent()).toBe('no client is connected');
  });

  it('lists live connections, sorted by whichever column, with the keyboard alone', async () => {
    const details = card('south').locator('details');
    const summary = details.locator('summary');
    await summary.focus();
    await page.keyboard.press('Enter');
    const total = site.pool('south').active();
    expect(await summary.textContent()).toContain(`${total} live connections`);
    const cells = (): Promise<string[]> => details.locator('tbody tr td:first-child').allTextContents();
    expect((await cells()).toSorted()).toEqual(
      site
        .pool('south')
        .connections()
        .map(({ id }) => id)
        .toSorted(),
    );
    // From the summary to the table, and on to its first heading.
    await page.keyboard.press('Tab');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    const heading = details.locator('th').first();
    expect(await heading.getAttribute('aria-sort')).toBe('ascending');
    expect(await cells()).toEqual((await cells()).toSorted());
    await page.keyboard.press('Enter');
    expect(await heading.getAttribute('aria-sort')).toBe('descending');
    expect(await cells()).toEqual((await cells()).toSorted().reverse());
  });

  it.each([
    { what: 'in the light', colorScheme: 'light', width: 1_280 },
    { what: 'in the dark', colorScheme: 'dark', width: 1_280 },
    { what: 'on a phone', colorScheme: 'light', width: 360 },
    { what: 'on a phone in the dark', colorScheme: 'dark', width: 360 },
  ] as const)(
    'has nothing that axe-core finds fault with, $what',
    async ({ colorScheme, width }) => {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height: 800 });
      await page.evaluate(
        await readFile(new URL('../../node_modules/axe-core/axe.min.js', import.meta.url), 'utf8'),
      );
      const { violations, passes } = await page.evaluate<{
        violations: { id: string; nodes: { html: string; failureSummary: string }[] }[];
        passes: unknown[];
      }>('axe.run()');
      expect(
        violations.map(({ id, nodes }) => [
          id,
          nodes.map(({ failureSummary, html }) => [failureSummary, html]),
        ]),
      ).toEqual([]);
      expect(passes.length).toBeGreaterThan(10);
      const overflow = await page.evaluate<number>('document.documentElement.scrollWidth - innerWidth');
      expect(overflow).toBeLessThanOrEqual(0);
      await page.setViewportSize({ width: 1_280, height: 900 });
      await page.emulateMedia({ colorScheme: 'light' });
    },
    30_000,
  );

  it('draws idle and used connections', async () => {
    const hasInk = await card('south')
      .locator('canvas')
      .evaluate((canvas) => {
        const { width, height } = canvas as unknown as { width: number; height: number };
        const context = (
          canvas as unknown as {
            getContext(kind: '2d'): { getImageData(...at: number[]): { data: number[] } };
          }
        ).getContext('2d');
        return context.getImageData(0, 0, width, height).data.some((byte) => byte > 0);
      });
    expect(hasInk).toBe(true);
  });

  it('says that the application is gone, and goes on by itself when it is back', async () => {
    const before = complaints.length;
    await site.app.app.close();
    await page.locator('#link[data-link="lost"]').waitFor({ timeout: SOON });
    await site.reopen();
    await page.locator('#link[data-link="live"]').waitFor({ timeout: 10_000 });
    await shows('north', 'up', 5_000);
    expect(await page.locator('.pool').count()).toBe(3);
    // All that was counted begins anew.
    expect(await card('south').locator('[data-figure="takes"]').textContent()).toBe('0/s');
    // Chromium itself tells of each try to connect that failed.
    const own = complaints
      .splice(before)
      .filter((text) => !/^WebSocket connection to '.*' failed: /.test(text));
    expect(own).toEqual([]);
  }, 30_000);

  it('has written nothing to the console', () => {
    expect(complaints).toEqual([]);
  });

  // SCREENSHOT=docs/dashboard.png npm run test:peers -- dashboard
  const { SCREENSHOT } = process.env;
  if (SCREENSHOT) {
    it('has its picture taken for the README', async () => {
      const end = performance.now() + 40_000;
      const visitor = async (name: string, lane: number): Promise<void> => {
        while (performance.now() < end) {
          // As many at once as a slow wave has lanes.
          const wave = 2.5 + 2.5 * Math.sin(performance.now() / 2_000 + name.length);
          if (lane < wave) await use(name, 20);
          await page.waitForTimeout(20 + 100 * Math.random());
        }
      };
      const visitors = ['north', 'south'].flatMap((name) =>
        Array.from({ length: 5 }, (_, lane) => visitor(name, lane)),
      );
      await page.waitForTimeout(38_000);
      await page.evaluate('scrollTo(0, 0)');
      await page.screenshot({ path: SCREENSHOT });
      await Promise.all(visitors);
    }, 60_000);
  }
});

function closed(connection: {
  closed: boolean;
  once(event: 'close', listener: () => void): unknown;
}): Promise<void> {
  return new Promise((resolve) => {
    if (connection.closed) resolve();
    else connection.once('close', resolve);
  });
}
