import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { PoolEvents } from 'nestjs-npws';
import type { Page } from 'playwright-core';
import { createCertificate } from '../support/certificates.js';
import { until } from '../support/pair.js';
import { bytesOf, digestOf, outcomeOf } from '../support/raw-bytes.js';
import { portOf, startServer } from '../support/raw-joined.js';
import { startBrowser } from './browser.js';
import { describeWith } from './find-program.js';

/** What a page says of how its WebSocket ended. */
interface Ended {
  opened: boolean;
  code: number;
  wasClean: boolean;
}

const MiB = 1024 * 1024;

describeWith('chromium')("Chromium's WebSocket", () => {
  let site: Server;
  let origin: string;
  let chromium: Awaited<ReturnType<typeof startBrowser>>;

  beforeAll(async () => {
    const html = await readFile(new URL('page.html', import.meta.url));
    site = createServer((_, response) => response.setHeader('Content-Type', 'text/html').end(html));
    site.listen(0, '127.0.0.1');
    await once(site, 'listening');
    origin = `http://127.0.0.1:${(site.address() as AddressInfo).port}`;
    chromium = await startBrowser();
  }, 60_000);

  afterAll(async () => {
    await chromium[Symbol.asyncDispose]();
    site.closeAllConnections();
    await new Promise((resolve) => site.close(resolve));
  }, 60_000);

  /** A page of the site that has dialled `url`. */
  async function dialFrom(url: string): Promise<Page> {
    const page = await chromium.browser.newPage();
    await page.goto(origin);
    await page.evaluate(`dial('${url}')`);
    return page;
  }

  it('is refused unless its origin is allowed', async () => {
    for (const options of [{}, { allowedOrigins: 'https://good.example' }]) {
      await using pool = await startServer(options);
      const rejects: PoolEvents['reject'][0][] = [];
      pool.on('reject', (reject) => rejects.push(reject));
      const page = await dialFrom(`ws://127.0.0.1:${portOf(pool)}`);
      expect(await page.evaluate<Ended>('ended()')).toEqual({ opened: false, code: 1006, wasClean: false });
      expect(rejects).toMatchObject([{ status: 403, reason: 'origin not allowed' }]);
      expect([pool.active(), pool.stats().rejected]).toEqual([0, 1]);
      await page.close();
    }
  });

  it.each(['ws', 'wss'])(
    'is a peer once it is (%s)',
    async (scheme) => {
      await using pool = await startServer({
        allowedOrigins: [origin],
        ...(scheme === 'wss' ? { tls: await createCertificate() } : {}),
      });
      const page = await dialFrom(`${scheme}://127.0.0.1:${portOf(pool)}`);
      const connection = await pool.incomingGet(5_000);
      expect(await page.evaluate<string>('received(4)')).toBe(connection.id);

      const ours = bytesOf(MiB, 1);
      connection.write(ours);
      const got = Buffer.from(await page.evaluate<string>(`received(${4 + MiB})`), 'hex');
      expect(digestOf(got.subarray(4))).toBe(digestOf(ours));

      const theirs = bytesOf(MiB, 2);
      const outcome = outcomeOf(connection);
      await page.evaluate(`finish('${theirs.toString('hex')}')`);
      const { bytes, ended, error } = await outcome;
      expect([digestOf(bytes), ended, error]).toEqual([digestOf(theirs), true, null]);
      expect(await page.evaluate<Ended>('ended()')).toEqual({ opened: true, code: 1000, wasClean: true });
      await until(pool, () => pool.stats().used === 0);
      await page.close();
    },
    60_000,
  );

  it('sees a clean end of ours, and a cut as none', async () => {
    await using pool = await startServer({ allowedOrigins: origin, maxCapacity: 2 });
    for (const { leave, expected } of [
      { leave: 'end' as const, expected: { code: 1000, wasClean: true } },
      { leave: 'destroy' as const, expected: { code: 1006, wasClean: false } },
    ]) {
      const page = await dialFrom(`ws://127.0.0.1:${portOf(pool)}`);
      const connection = await pool.incomingGet(5_000);
      connection.resume();
      connection[leave]();
      expect(await page.evaluate<Ended>('ended()')).toEqual({ opened: true, ...expected });
      await page.close();
    }
  });

  it('stays idle, answering pings, and leaves the pool when its page is closed', async () => {
    await using pool = await startServer({ allowedOrigins: origin, keepAlive: 1_000 });
    const drops: PoolEvents['disconnect'][0][] = [];
    pool.on('disconnect', (drop) => drops.push(drop));
    const page = await dialFrom(`ws://127.0.0.1:${portOf(pool)}`);
    await until(pool, () => pool.active() === 1);
    await new Promise((resolve) => setTimeout(resolve, 5_000));
    expect([pool.active(), drops.length]).toEqual([1, 0]);
    await page.close();
    await until(pool, () => pool.active() === 0);
    expect(drops).toMatchObject([{ used: false, code: 1001, clean: true }]);
  });
});
