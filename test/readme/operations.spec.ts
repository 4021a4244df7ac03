import { readFile } from 'node:fs/promises';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { createClientPool, NpwsModule, ServerPoolService } from 'nestjs-npws';
import { register } from 'prom-client';
import { freePort } from '../../sample/parts/free-port.js';
import { LOG_LEVELS } from '../../lib/core/log-options.js';
import { INSTRUMENTS, TIME_INSTRUMENTS } from '../../lib/metrics/instruments.js';
import { until } from '../support/pair.js';
import { bootstrap, mountAlone, mountedClient, ObservedModule } from './operations.js';

function read(file: string): Promise<string> {
  return readFile(new URL(`../../${file}`, import.meta.url), 'utf8');
}

/** The cells of a table's rows that begin with a word in code. */
function rowsOf(page: string): string[][] {
  return [...page.matchAll(/^\| `(\w+)` \| (.*) \|$/gm)].map(([, first = '', rest = '']) => [
    first,
    ...rest.split('|').map((cell) => cell.trim().replaceAll('`', '')),
  ]);
}

describe('the guide to operations', () => {
  Logger.overrideLogger(false);

  afterEach(() => {
    register.clear();
  });

  it('has an application with all of it', async () => {
    Object.assign(process.env, { PORT: '0', HOST: '127.0.0.1' });
    const app = await bootstrap();
    const { port } = new URL(await app.getUrl());
    const get = async (path: string): Promise<{ status: number; body: string }> => {
      const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers: { connection: 'close' } });
      return { status: response.status, body: await response.text() };
    };
    const paths = ['/health/ready', '/health/live', '/npws-dashboard', '/metrics'];
    const answers = await Promise.all(paths.map(get));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    const far = await NestFactory.createApplicationContext(
      NpwsModule.forRoot(mountedClient(`127.0.0.1:${port}`)),
    );
    const pool = app.get(ServerPoolService);
    await until(pool, () => pool.active() >= 5);
    const { body: scrape } = await get('/metrics');
    const [, opened] =
      /^npws_connections_opened_total\{pool="default",role="server"\} (\d+)$/m.exec(scrape) ?? [];
    expect(Number(opened)).toBeGreaterThanOrEqual(5);
    await far.close();
    await app.close();
  });

  it('mounts a pool without Nest, and observes one with OpenTelemetry', async () => {
    const port = await freePort();
    const alone = await mountAlone(port);
    const client = createClientPool({ address: `127.0.0.1:${port}`, path: '/npws', tlsMode: 'none' });
    await client.start();
    await client.whenReady(5_000);
    await client.close();
    await alone[Symbol.asyncDispose]();
    const app = await NestFactory.createApplicationContext(ObservedModule, { logger: false });
    expect(app.get(ServerPoolService).ready()).toBe(true);
    await app.close();
  });

  it('lists every metric under its names', async () => {
    const rows = rowsOf(await read('docs/operations.md')).filter(([name]) => name?.startsWith('npws_'));
    const times = TIME_INSTRUMENTS.map((instrument) => ({ ...instrument, label: undefined }));
    expect(rows).toEqual(
      [...INSTRUMENTS, ...times].map(({ inPrometheus, name, label = '' }) => [inPrometheus, name, label]),
    );
  });

  it('lists every value of every label', async () => {
    const page = await read('docs/operations.md');
    await using client = createClientPool({ address: '127.0.0.1:1', tlsMode: 'none' });
    const labelled = INSTRUMENTS.filter(({ label }) => label !== undefined).map((instrument) => [
      instrument.inPrometheus,
      instrument
        .read(client.stats())
        .map(([, value = '']) => value)
        .sort(),
    ]);
    const listed = [...page.matchAll(/^- `(npws_\w+)`: (.*(?:\n {2}.*)*)/gm)].map(([, name, text = '']) => [
      name,
      [...text.matchAll(/`(\w+)`(?![^(]*\))/g)].map(([, value = '']) => value).sort(),
    ]);
    expect(listed).toEqual(labelled);
  });

  it('lists every kind of log line with its level', async () => {
    const rows = rowsOf(await read('docs/operations.md'));
    const kinds = rows.map(([kind, level]) => [kind, level]).filter(([kind = '']) => kind in LOG_LEVELS);
    expect(kinds).toEqual(Object.entries(LOG_LEVELS).map(([kind, level]) => [kind, String(level)]));
  });

  it('alerts on metrics and values of labels that there are', async () => {
    const rules = await read('test/readme/alerts.yml');
    const known = [...INSTRUMENTS, ...TIME_INSTRUMENTS].map(({ inPrometheus }) => inPrometheus);
    const used = [...rules.matchAll(/\b(npws_\w+?)(?:_bucket)?[{[]/g)].map(([, name]) => name);
    expect(used).toHaveLength(7);
    expect(used.filter((name = '') => !known.includes(name))).toEqual([]);
    await using client = createClientPool({ address: '127.0.0.1:1', tlsMode: 'none' });
    const stats = client.stats();
    const values = INSTRUMENTS.flatMap((instrument) => instrument.read(stats).map(([, label]) => label));
    const matched = [...rules.matchAll(/(?:state|outcome|reason)!?=~?"([^"]+)"/g)].flatMap(([, text = '']) =>
      text.split('|'),
    );
    expect(matched.filter((value) => !values.includes(value))).toEqual([]);
    expect(matched.length).toBeGreaterThan(5);
  });
});
