import type { Contest } from '../contest.js';
import { ASIDES } from './asides.js';
import { CHURN, WATCHED_CHURN } from './churn.js';
import { FILL } from './fill.js';
import { GROWTH, MEMORY_GROWTH } from './growth.js';
import { IDLE_MEMORY } from './idle-memory.js';
import { RTT } from './rtt.js';
import { STREAMS, WATCHED_STREAM } from './streams.js';
import { TAKE } from './take.js';
import { TUNNEL } from './tunnel.js';
import { WAIT } from './wait.js';

/** All that is measured, in this order. */
export const CONTESTS: readonly Contest[] = [
  ...STREAMS,
  ...TUNNEL,
  ...RTT,
  FILL,
  ...TAKE,
  WAIT,
  IDLE_MEMORY,
  CHURN,
  WATCHED_CHURN,
  WATCHED_STREAM,
  GROWTH,
  MEMORY_GROWTH,
  ...ASIDES,
];
