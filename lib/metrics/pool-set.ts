import type { PoolRole } from '../core/errors.js';
import type { Distribution } from '../core/histogram.js';
import type { Timed } from '../core/measures.js';
import type { PoolStats } from '../core/stats.js';

/** A pool as exporters see it: one of `createClientPool` and `createServerPool`, or a service of the module. */
export interface MeasuredPool {
  /** The pool's name. */
  readonly name: string;
  /** Whether it dials or listens. */
  readonly role: PoolRole;
  /** Its numbers; null when there is no such pool. */
  stats(): PoolStats | null;
  /** How long things took. */
  distributions(): Readonly<Record<Timed, Distribution>> | null;
  /** Listens to its end. */
  once(event: 'close', listener: () => void): unknown;
  /** Listens to each time. */
  on(event: 'timed', listener: (what: Timed, ms: number) => void): unknown;
  /** Stops listening. */
  off(event: 'timed', listener: (what: Timed, ms: number) => void): unknown;
}

/** What tells a pool's series from another's. */
export interface PoolLabels extends Record<string, string> {
  readonly pool: string;
  readonly role: PoolRole;
}

export function labelsOf({ name, role }: MeasuredPool): PoolLabels {
  return { pool: name, role };
}

/** The live pools that are exported to one place, each once, until it closes. */
export class PoolSet {
  readonly #pools = new Set<MeasuredPool>();

  /** Adds a pool; `removed` is called when it is closed. False when it is there already, or has nothing to tell. */
  add(pool: MeasuredPool, removed: () => unknown = () => undefined): boolean {
    const stats = pool.stats();
    if (!stats || stats.state === 'closed' || this.#pools.has(pool)) return false;
    this.#pools.add(pool);
    pool.once('close', () => {
      this.#pools.delete(pool);
      removed();
    });
    return true;
  }

  /**
   * The pools by their labels. Several applications of one process may have pools of one name and role: together they
   * are one series.
   */
  groups(): { labels: PoolLabels; pools: MeasuredPool[] }[] {
    const groups = new Map<string, { labels: PoolLabels; pools: MeasuredPool[] }>();
    for (const pool of this.#pools) {
      const key = `${pool.role} ${pool.name}`;
      const group = groups.get(key);
      if (group) group.pools.push(pool);
      else groups.set(key, { labels: labelsOf(pool), pools: [pool] });
    }
    return [...groups.values()];
  }
}
