import type { HealthCheckResult } from '@nestjs/terminus';
import type { Row } from '../common/table.js';
import type { Reading } from './edge.js';
import { EDGES } from './edges.js';
import type { Fleet } from './fleet.js';

const READINGS = 500;
const AT_ONCE = 20;
/** How many edges are killed while the others are asked. */
const VICTIMS = 3;

/** Asks all edges, kills some and brings them back, and tells how it went. */
export async function check(fleet: Fleet): Promise<Row[]> {
  const calm = await readMany(fleet.url, EDGES);
  const before = await scrape(fleet.url);
  const page = await get(fleet.url, '/npws-dashboard');

  const victims = fleet.edges.slice(0, VICTIMS);
  const names = victims.map(({ name }) => name);
  const others = EDGES.filter((name) => !names.includes(name));
  const storm = readMany(fleet.url, others);
  await Promise.all(victims.map((edge) => edge.kill()));
  const [away, health, wholeFleet] = [
    await Promise.all(names.map(async (name) => (await get(fleet.url, `/edges/${name}`)).status)),
    await get(fleet.url, '/health'),
    await get(fleet.url, '/health/fleet'),
  ];
  const during = await storm;
  const idle = (await scrape(fleet.url)).filter(({ name }) => name === 'npws_connections');
  const gone = idle.filter(({ labels, value }) => labels.includes('state="idle"') && value === 0);

  await Promise.all(victims.map((edge) => edge.start()));
  await fleet.whenPresent();
  const after = await readMany(fleet.url, EDGES);
  const whole = await get(fleet.url, '/health/fleet');

  return [
    {
      what: `readings of ${EDGES.length} edges`,
      result: `${calm.right} of ${READINGS}`,
      ok: calm.right === READINGS && calm.edges === EDGES.length,
    },
    {
      what: `of ${others.length}, as ${VICTIMS} are killed`,
      result: `${during.right} of ${READINGS}`,
      ok: during.right === READINGS,
    },
    {
      what: 'asking one that is away',
      result: away.join(', '),
      ok: away.every((status) => status === 503),
    },
    {
      what: '/health meanwhile',
      result: `${health.status}, ${degradedIn(health.body)} degraded`,
      ok: health.status === 200 && degradedIn(health.body) === VICTIMS,
    },
    { what: '/health/fleet meanwhile', result: String(wholeFleet.status), ok: wholeFleet.status === 503 },
    {
      what: 'metrics meanwhile',
      result: `${gone.length} pools have no idle connection`,
      ok: gone.length === VICTIMS,
    },
    {
      what: 'readings after their return',
      result: `${after.right} of ${READINGS}`,
      ok: after.right === READINGS && after.edges === EDGES.length,
    },
    { what: '/health/fleet after it', result: String(whole.status), ok: whole.status === 200 },
    {
      what: 'takes on the scrape before it',
      result: String(takesIn(before)),
      ok: takesIn(before) >= READINGS,
    },
    { what: 'dashboard', result: String(page.status), ok: page.status === 200 },
  ];
}

/** Asks the edges in turn, many at once; counts who answered as itself. */
async function readMany(url: string, names: readonly string[]): Promise<{ right: number; edges: number }> {
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
  return { right: answered.length, edges: new Set(answered).size };
}

async function get(url: string, path: string): Promise<{ status: number; body: string }> {
  const answer = await fetch(`${url}${path}`);
  return { status: answer.status, body: await answer.text() };
}

function degradedIn(body: string): number {
  const { details } = JSON.parse(body) as HealthCheckResult;
  return Object.values(details).filter(({ status }) => (status as string) === 'degraded').length;
}

interface Sample {
  readonly name: string;
  readonly labels: string;
  readonly value: number;
}

/** What Prometheus gets to read. */
async function scrape(url: string): Promise<Sample[]> {
  const { body } = await get(url, '/metrics');
  return [...body.matchAll(/^(npws_\w+)\{(.*)\} (\S+)$/gm)].map(([, name = '', labels = '', value]) => ({
    name,
    labels,
    value: Number(value),
  }));
}

function takesIn(samples: readonly Sample[]): number {
  return samples
    .filter(({ name, labels }) => name === 'npws_takes_total' && /outcome="(immediate|waited)"/.test(labels))
    .reduce((sum, { value }) => sum + value, 0);
}
