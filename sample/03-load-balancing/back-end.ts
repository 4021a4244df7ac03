import { Caller } from '../parts/control-line.js';
import { type Answer, pooledGet } from './pooled-get.js';
import type { Choice } from './strategies.js';

/** How long a server may take to answer, in milliseconds. */
const PATIENCE = 5_000;

/** One server as the front sees it: the pool that dials it, and the line that tells it what to take. */
export class BackEnd extends Caller implements Choice {
  get name(): string {
    return this.pool.name;
  }

  /** Requests under way or waiting, relative to what the pool is made for. */
  get load(): number {
    const stats = this.pool.stats();
    return stats ? (stats.used + stats.waiting) / stats.maxCapacity : Infinity;
  }

  /** Asks the server. Rejects when the answer does not come, or not as a whole, or not in time. */
  async get(path: string): Promise<Answer> {
    const signal = AbortSignal.timeout(PATIENCE);
    return pooledGet(await this.call(signal), path, signal);
  }
}
