import { setTimeout as sleep } from 'node:timers/promises';
import type { HealthCheckResult } from '@nestjs/terminus';
import type { Row } from '../parts/table.js';
import type { Reading } from './edge.js';
import { EDGES } from './edges.js';
import type { Fleet } from './fleet.js';

const READINGS = 500;
const AT_ONCE = 20;
/** How many edges are killed while the others are asked. */
const VICTIMS = 3;
/** How long a page may take to tell what is so, in milliseconds. */
const PATIENCE = 5_000;

/** Asks all edges, kills some and brings them back, and tells how it went. */
export async function check(fleet: Fleet): Promise<Row[]> {
  const victims = fleet.edges.slice(0, VICTIMS);
  const names = victims.map(({ name }) => name);
  const others = EDGES.filter((name) => !names.includes(name));
  const rows = [
    await readingsOf(fleet.url, EDGES, `readings of ${EDGES.length} edges`),
    await takesIn(fleet.url),
    await statusOf(fleet.url, '/npws-dashboard', 200),
  ];

  const [during] = await Promise.all([
    readingsOf(fleet.url, others, `of ${others.length}, as ${VICTIMS} are killed`),
    ...victims.map((edge) => edge.kill()),
  ]);
  rows.push(
    during,
    ...(await Promise.all(names.map((name) => statusOf(fleet.url, `/edges/${name}`, 503)))),
    await degradedIn(fleet.url, names),
    await statusOf(fleet.url, '/health/fleet', 503),
    await goneIn(fleet.url, names),
  );

  await Promise.all(victims.map((edge) => edge.start()));
  await fleet.whenPresent();
  rows.push(
    await readingsOf(fleet.url, EDGES, 'readings after their return'),
    await statusOf(fleet.url, '/health/fleet', 200),
  );
  return rows;
}

/** Asks the edges in turn, many at once; each has to answer as itself. */
async function readingsOf(url: string, names: readonly string[], what: string): Promise<Row> {
  const answered: string[] = [];
  let asked = 0;
  const worker = async (): Promise<void> => {
    while (asked < READINGS) {
      const name = names[asked++ % names.length] ?? '';
      const { status, body } = await get(url, `/edges/${name}`);
      if (status === 200 && (JSON.parse(body) as Reading).edge === name) answered.push(name);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return {
    what,
    result: `${answered.length} of ${READINGS}`,
    ok: answered.length === READINGS && new Set(answered).size === names.length,
  };
}

async function get(url: string, path: string): Promise<{ status: number; body: string }> {
  const answer = await fetch(`${url}${path}`);
  return { status: answer.status, body: await answer.text() };
}

/** Whether a page answers so, soon: connections that have just been used are not idle yet. */
async function statusOf(url: string, path: string, wanted: number): Promise<Row> {
  const deadline = performance.now() + PATIENCE;
  for (;;) {
    const { status } = await get(url, path);
    if (status === wanted || performance.now() > deadline) {
      return { what: `GET ${path}`, result: String(status), ok: status === wanted };
    }
    await sleep(50);
  }
}

/** Who is `degraded` on `/health`, which stays 200. */
async function degradedIn(url: string, expected: readonly string[]): Promise<Row> {
  const { status, body } = await get(url, '/health');
  const { details } = JSON.parse(body) as HealthCheckResult;
  const degraded = Object.keys(details).filter((name) => (details[name]?.status as string) === 'degraded');
  return {
    what: 'GET /health',
    result: `${status}, degraded: ${degraded.join(' ')}`,
    ok: status === 200 && degraded.join() === expected.join(),
  };
}

/** Whose pools have lost all their connections, as Prometheus reads it. */
async function goneIn(url: string, names: readonly string[]): Promise<Row> {
  const samples = await scrape(url);
  const left = names.map((name) =>
    samples
      .filter((sample) => sample.name === 'npws_connections' && sample.labels.includes(`pool="${name}"`))
      .reduce((sum, { value }) => sum + value, 0),
  );
  return {
    what: 'their connections in /metrics',
    result: left.join(' '),
    ok: left.length === names.length && left.every((count) => count === 0),
  };
}

/** How many connections were taken, as Prometheus reads it. */
async function takesIn(url: string): Promise<Row> {
  const takes = (await scrape(url))
    .filter(({ name, labels }) => name === 'npws_takes_total' && /outcome="(immediate|waited)"/.test(labels))
    .reduce((sum, { value }) => sum + value, 0);
  return { what: 'takes in /metrics', result: String(takes), ok: takes >= READINGS };
}

interface Sample {
  readonly name: string;
  readonly labels: string;
  readonly value: number;
}

async function scrape(url: string): Promise<Sample[]> {
  const { body } = await get(url, '/metrics');
  return [...body.matchAll(/^(npws_\w+)\{(.*)\} (\S+)$/gm)].map(([, name = '', labels = '', value]) => ({
    name,
    labels,
    value: Number(value),
  }));
}
