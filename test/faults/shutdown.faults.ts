import { describe, expect, it } from '@jest/globals';
import {
  type ClientPool,
  createClientPool,
  type NpwsError,
  NpwsModule,
  type PoolConnection,
} from 'nestjs-npws';
import { figures } from '../support/figures.js';
import { quantile } from '../bench/quantile.js';
import { PeerProgram } from '../interop/driver.js';
import { boot, type BootedApp, LOCAL, PLATFORMS, quickClient } from '../support/apps.js';
import { Dice } from '../support/dice.js';
import { FaultRelay } from '../support/fault-relay.js';
import { until } from '../support/pair.js';
import { bytesOf, type Outcome, outcomeOf } from '../support/raw-bytes.js';
import { settledAfter } from '../support/settled-after.js';
import { ownProgram } from './own-program.js';

// app.close() while everything goes on: streams in use, healthy and deaf peers, dials, gets that wait, HTTP requests.

const CLOSES = Number(process.env['CLOSES'] ?? 25);
const CLOSES_IDLE = Number(process.env['CLOSES_IDLE'] ?? 3);
const DRAIN = 100;
const WORDS = bytesOf(200_000, 5);
/** How a stream ends that was cut. */
const BROKEN = new Set(['ERR_NPWS_TRUNCATED', 'ERR_NPWS_CLOSED']);
const lines = figures();

/** How long it takes, or null when it is not done so much later, however slow the machine is: what was due is done first. */
async function took(work: Promise<unknown>, bound: number): Promise<number | null> {
  const start = performance.now();
  return Promise.race([work.then(() => performance.now() - start), settledAfter(bound).then(() => null)]);
}

function summary(times: readonly number[]): string {
  return `median ${quantile(times, 0.5).toFixed(0)} ms, longest ${Math.max(...times).toFixed(0)} ms`;
}

async function serving(platform: (typeof PLATFORMS)[number], maxCapacity: number): Promise<BootedApp> {
  const server = { listen: LOCAL, maxCapacity, drainTimeout: DRAIN };
  return boot(
    { imports: [NpwsModule.forRoot({ server, logs: false })] },
    { platform, forceCloseConnections: true },
  );
}

/** Takes one connection of a client at both ends. */
async function join(
  app: BootedApp,
  client: ClientPool<PoolConnection>,
): Promise<[PoolConnection, PoolConnection]> {
  const far = await client.incomingGet();
  return [await app.server.outgoingGet(far.id), far];
}

describe.each(PLATFORMS)('app.close() of an application on %s under fire', (platform) => {
  it(`ends within the drain time and 0.5 s, loses no byte of streams that end by then, and shows no other a clean end: ${CLOSES} times`, async () => {
    const dice = new Dice(1);
    const times: number[] = [];
    const seen = { whole: 0, cut: 0, wrong: 0, refused: 0, late: 0, deaf: 0, answered: 0 };
    for (let close = 0; close < CLOSES; close++) {
      const app = await serving(platform, 40);
      await using relay = await FaultRelay.to(() => app.poolPort, dice);
      const protocol = dice.pick([1, 2] as const);
      const options = { minCapacity: 6, maxCapacity: 6, minInterval: 10, maxInterval: 10, maxBackoff: 100, drainTimeout: 0, protocol };
      await using healthy = createClientPool(quickClient(app.poolPort, options));
      await using deaf = createClientPool(quickClient(relay.port, options));
      for (const client of [healthy, deaf]) {
        await client.start();
        await until(client, () => client.active() === 6);
      }
      for (let taken = 0; taken < 3; taken++) (await join(app, deaf))[0].write(WORDS);
      const pairs = [await join(app, healthy), await join(app, healthy), await join(app, healthy), await join(app, healthy)];
      const outcomes = pairs.map(([, far]) => outcomeOf(far));
      const [first, second, ...endless] = pairs.map(([near]) => near);
      for (const near of endless) near.write(WORDS);
      const waiting = Array.from({ length: 5 }, () =>
        app.server.outgoingGet('ffffffff', Infinity).catch((error: unknown) => {
          if ((error as NpwsError).code === 'ERR_NPWS_DRAINING') seen.refused++;
        }),
      );
      const requests = Array.from({ length: 5 }, () => fetch(app.url).then((response) => response.text()).then(() => seen.answered++, () => undefined));
      seen.deaf += relay.ways.size;
      for (const way of relay.ways) way.blackHole(2_000);
      const closing = app.app.close();
      for (const near of [first, second]) near?.end(WORDS);
      const time = await took(closing, DRAIN + 500);
      if (time === null) seen.late++;
      else times.push(time);
      await closing;
      for (const outcome of await Promise.all(outcomes)) count(seen, outcome);
      await Promise.all([...waiting, ...requests]);
    }
    lines.push(`closed under fire, ${platform}: ${CLOSES} times, ${summary(times)}; ${JSON.stringify(seen)}`);
    expect(seen).toMatchObject({ whole: 2 * CLOSES, cut: 2 * CLOSES, wrong: 0, late: 0, refused: 5 * CLOSES });
    expect([seen.deaf >= 6 * CLOSES, seen.answered > 0]).toEqual([true, true]);
  }, 30_000 + CLOSES * 3_000); // prettier-ignore

  // Where others share the cores, and their caches, a few say little: the least of them is held to twice as much, and half as
  // much again of this process's own time.
  const isMany = CLOSES_IDLE >= 100;
  it(`with 1,000 idle connections takes ${isMany ? '300 ms by the median' : '600 ms at the best'} of ${CLOSES_IDLE} times`, async () => {
    const [times, own]: [number[], number[]] = [[], []];
    await using peer = await PeerProgram.start({ command: await ownProgram() });
    for (let close = 0; close < CLOSES_IDLE; close++) {
      const app = await serving(platform, 1_000);
      const client = await peer.client({ address: `127.0.0.1:${app.poolPort}`, tls: '0', capacity: 1_000, interval: 1_000 });
      await until(app.server, () => app.server.active() === 1_000);
      const before = process.cpuUsage();
      const closing = app.app.close();
      times.push((await took(closing, 3_000)) ?? Infinity);
      const { user, system } = process.cpuUsage(before);
      own.push((user + system) / 1_000);
      await closing;
      await client.close();
    }
    lines.push(`closed with 1,000 idle, ${platform}: ${CLOSES_IDLE} times, ${summary(times)}; own time: ${summary(own)}`);
    expect(Math.min(...own)).toBeLessThanOrEqual(450);
    expect(isMany ? quantile(times, 0.5) : Math.min(...times) / 2).toBeLessThanOrEqual(300);
    expect(Math.max(...times)).toBeLessThan(3_000);
  }, 30_000 + CLOSES_IDLE * 15_000); // prettier-ignore
});

function count(seen: { whole: number; cut: number; wrong: number }, { bytes, ended, error }: Outcome): void {
  const isWhole = bytes.equals(WORDS);
  if (ended && error === null && isWhole) seen.whole++;
  else if (!ended && BROKEN.has(error?.code ?? '') && bytes.equals(WORDS.subarray(0, bytes.length)))
    seen.cut++;
  else seen.wrong++;
}
