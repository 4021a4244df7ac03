import { Agent } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Row } from '../parts/table.js';
import type { Tunnel } from './tunnel.js';
import {
  type Exchange,
  exchange,
  isHealthy,
  isKeptAlive,
  isStreamed,
  isWebSocketEchoed,
  linksOf,
} from './visits.js';

const REQUESTS = 200;
const AT_ONCE = 20;
const KILL_AFTER = 60;
const MAX_BYTES = 8 * 1024 * 1024;

/** How long a request that was cut is tried again, in milliseconds. */
const PATIENCE = 30_000;

/** Sends many requests through the tunnel, kills and restarts the edge meanwhile, and tells how it went. */
export async function check(tunnel: Tunnel): Promise<Row[]> {
  const start = performance.now();
  const { done, cut, wrong, bytes } = await exchangeAll(tunnel);
  const seconds = (performance.now() - start) / 1000;
  const megabytes = (bytes / 2 ** 20).toFixed(0);
  const rows: Row[] = [
    {
      what: 'requests, 1 B to 8 MiB each way',
      result: `${done} of ${REQUESTS}, ${megabytes} MiB in ${seconds.toFixed(1)} s`,
      ok: done === REQUESTS,
    },
    { what: 'sha256 of both directions', result: `${wrong} wrong`, ok: wrong === 0 },
    { what: 'edge killed and restarted', result: `${cut} cut visibly, all repeated`, ok: cut > 0 },
  ];
  const probes: [string, () => Promise<boolean>][] = [
    ['streamed answer', () => isStreamed(tunnel.url)],
    ['keep-alive', () => isKeptAlive(tunnel.url)],
    ['WebSocket of a visitor', () => isWebSocketEchoed(tunnel.url)],
    ['dashboard', () => isHealthy(tunnel.dashboardUrl)],
    ...tunnel.healthUrls.map((url): [string, () => Promise<boolean>] => [url, () => isHealthy(url)]),
  ];
  for (const [what, probe] of probes) {
    const ok = await probe();
    rows.push({ what, result: ok ? 'ok' : 'failed', ok });
  }
  const { opened, reused } = await linksOf(tunnel.healthUrls[0] ?? '');
  const result = `${reused} times, after ${opened} hand-shakes (protocol 2)`;
  rows.push({ what: 'connections that served again', result, ok: reused > 0 });
  return rows;
}

async function exchangeAll(
  tunnel: Tunnel,
): Promise<{ done: number; cut: number; wrong: number; bytes: number }> {
  const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });
  const total = { done: 0, cut: 0, wrong: 0, bytes: 0 };
  const plan = Array.from({ length: REQUESTS }, (_, seed): Exchange => ({
    seed,
    up: sizeOf(),
    down: sizeOf(),
  }));
  plan[0] = { seed: 0, up: 1, down: MAX_BYTES };
  plan[1] = { seed: 1, up: MAX_BYTES, down: 1 };
  let restarted: Promise<void> | undefined;
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let item = plan[next++]; item; item = plan[next++]) {
      if (next > KILL_AFTER) restarted ??= tunnel.edge.kill().then(() => tunnel.edge.start());
      const { cut, isWhole } = await exchangeUntilDone(tunnel.url, item, agent);
      total.cut += cut;
      total.wrong += isWhole ? 0 : 1;
      total.done++;
      total.bytes += item.up + item.down;
    }
  };
  try {
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    await restarted;
  } finally {
    agent.destroy();
  }
  return total;
}

/** Repeats an exchange that was cut. One that looks whole but is not ends it at once. */
async function exchangeUntilDone(
  url: string,
  item: Exchange,
  agent: Agent,
): Promise<{ cut: number; isWhole: boolean }> {
  const deadline = performance.now() + PATIENCE;
  for (let cut = 0; ; cut++) {
    try {
      return { cut, isWhole: await exchange(url, item, agent) };
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await sleep(100);
    }
  }
}

/** Log-uniform: as many small ones as large ones. */
function sizeOf(): number {
  return Math.round(Math.exp(Math.random() * Math.log(MAX_BYTES)));
}
