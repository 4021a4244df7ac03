import type { Clock } from '../core/clock.js';
import type { Measures } from '../core/measures.js';
import type { Random } from '../core/random.js';

/** What a pool's connections are given from outside, besides its options. */
export interface Surroundings {
  /** The pool as messages name it. */
  readonly pool: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly measures: Measures;
}
