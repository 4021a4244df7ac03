import { Dice } from '../support/dice.js';
import { Life } from './life.js';

// A client pool and a server pool, the real ones, with a simulated network between them and applications that use them.
// All that happens is drawn from a seed, on a clock that stands still: the same history gives the same life.

/** What may happen; what stands here more often happens more often. */
const DEEDS = [
  'visit', 'visit', 'visit', 'visit', 'visit', 'visit', 'visits', 'rivals', 'pass', 'pass', 'pass', 'pass', 'pass',
  'pass', 'pass', 'lose', 'lose', 'stall', 'outage', 'flush', 'astray', 'abort', 'listener', 'listener', 'end',
] as const; // prettier-ignore

/** Something that happens. */
export interface Deed {
  readonly do: (typeof DEEDS)[number];
  /** The seed of whatever has to be drawn for it. */
  readonly n: number;
}

/** `seed` sets up pools, network and applications. */
export interface History {
  readonly seed: number;
  readonly deeds: readonly Deed[];
}

/** What came about, over many histories: what never did proves nothing. */
export type Tally = typeof BLANK;

const BLANK = {
  histories: 0,
  deeds: 0,
  /** Both ends took the same use by its ID. */
  met: 0,
  /** Links that served another use. */
  reused: 0,
  /** Uses that were over before their peer saw anything of them. */
  unused: 0,
  lost: 0,
  timeouts: 0,
  /** Time-outs at the very moment of an arrival. */
  tooLate: 0,
  aborted: 0,
  /** Gets that found the pool draining or closed. */
  refused: 0,
  /** IDs that were asked for twice at once, and one got it. */
  rivals: 0,
  refusedDials: 0,
  /** Histories in which a pool was closed or drained before their end. */
  ends: 0,
};

export function blankTally(): Tally {
  return { ...BLANK };
}

export function historyOf(seed: number): History {
  const dice = new Dice(seed);
  const length = 3 + dice.below(14);
  return { seed, deeds: Array.from({ length }, () => ({ do: dice.pick(DEEDS), n: dice.next() })) };
}

/** Plays a history. Throws with what is wrong, and behind which deed. */
export async function play({ seed, deeds }: History, tally: Tally): Promise<void> {
  const life = new Life(seed, tally);
  await life.start();
  for (const [index, deed] of deeds.entries()) await life.act(deed, `deed ${index}, ${deed.do}`);
  await life.calm();
  await life.end();
  tally.histories++;
  tally.deeds += deeds.length;
}
