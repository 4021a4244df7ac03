import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createCertificate } from '../support/certificates.js';
import type { Tally } from './churn-peer.js';
import { OwnSide, type Side, startForeign } from './churn-sides.js';
import { ms, quantile, report, spread } from './report.js';

const RUNS = 5;
const WARM_UP = 500;
const MEASURED = 2_500;

/**
 * Connections that are taken, used for 1 KiB there and back, and ended, 32 at a time, from a pool of 100 over TLS 1.3;
 * client and server in two processes. Protocol 2 and 1 of this package and a Go peer at both ends take turns.
 */
export async function churn(): Promise<void> {
  const { cert, key } = await createCertificate();
  const folder = await mkdtemp(join(tmpdir(), 'npws-churn-'));
  const sides: Side[] = [];
  try {
    const files = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') };
    await Promise.all([writeFile(files.cert, cert), writeFile(files.key, key)]);
    const second = new OwnSide(2, { cert, key });
    const first = new OwnSide(1, { cert, key });
    sides.push(second, first);
    const foreign = await startForeign(files);
    const peers = typeof foreign === 'string' ? [] : foreign;
    sides.push(...peers);
    const tallies = await takeTurns(sides);
    for (const [side, list] of tallies) tell(side, list);
    compare(second, first, tallies);
    for (const peer of peers) {
      compare(second, peer, tallies);
      compare(first, peer, tallies);
    }
    if (typeof foreign === 'string') report('uses a second, a Go peer', `did not run: ${foreign}`);
  } finally {
    for (const side of sides) await side[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  }
}

/** Measures every side in each run, another one first each time; but first all once in vain, as code gets faster. */
async function takeTurns(sides: readonly Side[]): Promise<Map<Side, Tally[]>> {
  for (const side of sides) await measure(side);
  const tallies = new Map<Side, Tally[]>(sides.map((side) => [side, []]));
  for (let run = 0; run < RUNS; run++) {
    const first = run % sides.length;
    for (const side of [...sides.slice(first), ...sides.slice(0, first)]) {
      tallies.get(side)?.push(await measure(side));
    }
  }
  return tallies;
}

async function measure(side: Side): Promise<Tally> {
  await side.open();
  await sleep(WARM_UP);
  await side.tally();
  await sleep(MEASURED);
  const tally = await side.tally();
  await side.close();
  return tally;
}

const rateOf = ({ uses, milliseconds }: Tally): number => (uses / milliseconds) * 1000;
const cpuOf = ({ uses, cpu }: Tally): number => cpu / uses;
const waitOf = ({ wait }: Tally): number => wait;

function tell({ name }: Side, tallies: readonly Tally[]): void {
  const median = (measured: (tally: Tally) => number): number => quantile(tallies.map(measured), 0.5);
  report(
    `uses a second, ${name}`,
    spread(tallies.map(rateOf), (rate) => rate.toFixed(0)),
  );
  const cpu = median(cpuOf);
  const cpuOfEach = Number.isNaN(cpu) ? 'unknown' : `${cpu.toFixed(3)} ms`;
  report(
    '  CPU of both ends for each, p99 of the wait in incomingGet',
    `${cpuOfEach}, ${ms(median(waitOf))}`,
  );
}

/** The ratios of two sides, run by run: how often in a second, and how dear each. */
function compare(one: Side, other: Side, tallies: ReadonlyMap<Side, readonly Tally[]>): void {
  const others = tallies.get(other) ?? [];
  const ratios = (measured: (tally: Tally) => number): string => {
    const values = (tallies.get(one) ?? []).map(
      (tally, run) => measured(tally) / measured(others[run] as Tally),
    );
    return spread(values, (ratio) => ratio.toFixed(2));
  };
  report(
    `  ${one.shortName} / ${other.shortName}: uses, CPU for each`,
    `${ratios(rateOf)}, ${ratios(cpuOf)}`,
  );
}
