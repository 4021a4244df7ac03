import { parentPort, workerData } from 'node:worker_threads';
import { Dice } from '../support/dice.js';
import { blankTally, historyOf, type Tally } from './history.js';
import { failureOf } from './shrink.js';

// One thread of a run: plays every n-th history, and tells what came of it.

/** What a lane is to do. */
export interface LaneOrder {
  readonly seed: number;
  readonly first: number;
  readonly step: number;
  readonly histories: number;
  /** When to stop at the latest, on the clock of `Date`. */
  readonly until: number;
  /** Where it notes the number of the history that it plays. */
  readonly playing: Int32Array;
}

/** What it has done. */
export interface LaneReport {
  readonly tally: Tally;
  /** The numbers of those that failed, with what went wrong. */
  readonly failures: readonly (readonly [index: number, problem: string])[];
}

/** How many failures are enough. */
const ENOUGH = 5;

const { seed, first, step, histories, until, playing } = workerData as LaneOrder;
// What fails is played again elsewhere, and many dials do fail.
Error.stackTraceLimit = 0;
const tally = blankTally();
const failures: [number, string][] = [];
for (let index = first; index < histories && failures.length < ENOUGH && Date.now() < until; index += step) {
  playing[0] = index;
  const problem = await failureOf(historyOf(Dice.seedOf(seed, index)), tally);
  if (problem !== null) failures.push([index, problem]);
}
parentPort?.postMessage({ tally, failures } satisfies LaneReport);
