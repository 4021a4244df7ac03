import { map, merge, type Observable, shareReplay, throttleTime, timer } from 'rxjs';
import type { ConnectionInfo } from '../core/connection-info.js';
import type { Health, PoolStats } from '../core/stats.js';
import type { PoolService } from '../nest/pool.service.js';

/** How often everything is told at least, and at most, in milliseconds. */
const PERIOD = 1_000;
const PAUSE = 250;

/** How many connections of each pool are told one by one. */
const MOST_CONNECTIONS = 200;

/** A pool as the page sees it. */
export interface PoolView {
  /** Its numbers. */
  readonly stats: PoolStats;
  /** Whether it is fit to serve. */
  readonly health: Health;
  /** Its live connections, or the first of them. */
  readonly connections: readonly ConnectionInfo[];
}

/** What the page is sent, as JSON. */
export interface DashboardFrame {
  /** When it was, in milliseconds since 1970. */
  readonly at: number;
  /** Every pool of the application. */
  readonly pools: readonly PoolView[];
}

/** All pools as they are now. */
function frameOf(pools: readonly PoolService[]): DashboardFrame {
  const views = pools.flatMap((pool): PoolView[] => {
    const [stats, health] = [pool.stats(), pool.health()];
    return stats && health ? [{ stats, health, connections: pool.connections(MOST_CONNECTIONS) }] : [];
  });
  return { at: Date.now(), pools: views };
}

/**
 * Frames as JSON: the last one at once, the next soon after each change of a pool, at least every second. Made once for all
 * who watch, and only while somebody does.
 */
export function watch(pools: readonly PoolService[]): Observable<string> {
  return merge(timer(0, PERIOD), ...pools.map(({ stats$ }) => stats$)).pipe(
    throttleTime(PAUSE, undefined, { leading: true, trailing: true }),
    map(() => JSON.stringify(frameOf(pools))),
    shareReplay({ bufferSize: 1, refCount: true }),
  );
}
