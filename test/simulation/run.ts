import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { Dice } from '../support/dice.js';
import { blankTally, historyOf, type Tally } from './history.js';
import type { LaneOrder, LaneReport } from './lane.js';
import { failureOf, shrink } from './shrink.js';

// npm run test:simulation [-- --histories N] [--seconds S] [--seed N] [--only INDEX]: both pools, the real ones, on one fake
// clock and a simulated network. What fails is printed with the seed and the number that play it again, and shrunk.

/** How much longer than its time a lane may take until it counts as stuck, in milliseconds. */
const PATIENCE = 15_000;

/** What is wrong with a history that does not end. */
const STUCK = 'it does not end';

const { values } = parseArgs({
  options: {
    histories: { type: 'string', default: '200000' },
    seconds: { type: 'string', default: '180' },
    seed: { type: 'string', default: String(randomInt(2 ** 32)) },
    only: { type: 'string' },
  },
});
const seed = Number(values.seed);
console.log(`seed ${seed}`);
if (values.only === undefined) await playAll(Number(values.histories), Number(values.seconds));
else await explain(Number(values.only));

async function playAll(histories: number, seconds: number): Promise<void> {
  const start = Date.now();
  const until = start + seconds * 1_000;
  const step = availableParallelism();
  const reports = await Promise.all(
    Array.from({ length: step }, (_, first) => runLane({ seed, first, step, histories, until })),
  );
  const total = reports.reduce((sum, { tally }) => add(sum, tally), blankTally());
  const failures = reports.flatMap((report) => report.failures);
  const took = (Date.now() - start) / 1_000;
  console.log(
    `${total.histories} of ${histories} histories in ${took.toFixed(0)} s, ${failures.length} failed`,
  );
  console.log(Object.entries(total).map(([what, count]) => `${what} ${count}`).join(', ')); // prettier-ignore
  const never = Object.entries(total).filter(([, count]) => count === 0);
  for (const [what] of never) console.error(`this never came about, so it proves nothing: ${what}`);
  if (failures.length > 1) console.error(`these failed: ${failures.map(([index]) => index).join(', ')}`);
  const [failure] = failures;
  if (failure) await explain(...failure);
  if (failures.length === 0 && total.histories < histories)
    console.error('the time is over before all were played');
  if (never.length > 0 || total.histories < histories) process.exitCode = 1;
}

async function runLane(order: Omit<LaneOrder, 'playing'>): Promise<LaneReport> {
  const playing = new Int32Array(new SharedArrayBuffer(4));
  const workerData: LaneOrder = { ...order, playing };
  const resourceLimits = { maxYoungGenerationSizeMb: 64 };
  const worker = new Worker(new URL('lane.ts', import.meta.url), { workerData, resourceLimits });
  const stuck = AbortSignal.timeout(order.until - Date.now() + PATIENCE);
  try {
    const [report] = (await once(worker, 'message', { signal: stuck })) as [LaneReport];
    return report;
  } catch (error) {
    await worker.terminate();
    const problem = stuck.aborted ? STUCK : (error as Error).message;
    return { tally: blankTally(), failures: [[playing[0] ?? 0, problem]] };
  }
}

/** What goes wrong with a history in a lane of its own, if anything. */
async function fateOf(index: number): Promise<string | undefined> {
  const until = Date.now() + PATIENCE;
  const { failures } = await runLane({ seed, first: index, step: 1, histories: index + 1, until });
  return failures[0]?.[1];
}

function add(one: Tally, other: Tally): Tally {
  const sum = blankTally();
  for (const what of Object.keys(sum) as (keyof Tally)[]) sum[what] = one[what] + other[what];
  return sum;
}

/** Tells what is wrong with a history, and which of its deeds it takes. */
async function explain(index: number, known?: string): Promise<void> {
  console.log(`play it again: npm run test:simulation -- --seed ${seed} --only ${index}`);
  const history = historyOf(Dice.seedOf(seed, index));
  // One that is stuck would be so here, too.
  const problem = (known ?? (await fateOf(index))) === STUCK ? STUCK : await failureOf(history);
  console.log(
    `history ${index}: ${problem ?? (known ? `nothing is wrong now, but there was: ${known}` : 'nothing is wrong')}`,
  );
  process.exitCode = (problem ?? known) ? 1 : 0;
  if (problem === null || problem === STUCK) return;
  const deeds = await shrink(history, problem);
  console.log(
    `${deeds.length} of its ${history.deeds.length} deeds are enough: ${JSON.stringify({ seed: history.seed, deeds })}`,
  );
  console.log((await failureOf({ seed: history.seed, deeds })) ?? '');
}
