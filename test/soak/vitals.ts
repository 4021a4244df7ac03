import { readdirSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { memoryInUse } from '../support/memory.js';

/** What a process holds. */
export interface Vitals {
  /** Memory in use after a collection, on the heap and in Buffers, in MiB. */
  readonly memory: number;
  /** Resident memory, which has what TLS holds too, in MiB. */
  readonly resident: number;
  /** Open descriptors; null where it can't be known. */
  readonly descriptors: number | null;
  /** What keeps it alive (timers, sockets ...), by kind. */
  readonly resources: Readonly<Record<string, number>>;
  /** How late the event loop was at worst in 99 of 100 turns since the last look, in milliseconds. */
  readonly delay: number;
}

const MIB = 1024 * 1024;

/** How often the event loop is looked at, in milliseconds. */
const RESOLUTION = 10;

/** Looks after the process that it is in. */
export class VitalSigns {
  /** Opened here, as Node else does it to compare them with the first socket that is destroyed (net.js): no leak of ours. */
  readonly opened = [process.stdout, process.stderr];
  readonly #delay = monitorEventLoopDelay({ resolution: RESOLUTION });

  constructor() {
    this.#delay.enable();
  }

  async look(): Promise<Vitals> {
    const delay = Math.max(0, this.#delay.percentile(99) / 1e6 - RESOLUTION);
    // The collection is ours, and no delay.
    this.#delay.disable();
    const { heapUsed, external, rss } = await memoryInUse();
    this.#delay.reset();
    this.#delay.enable();
    return {
      memory: (heapUsed + external) / MIB,
      resident: rss / MIB,
      descriptors: process.platform === 'linux' ? readdirSync('/proc/self/fd').length : null,
      resources: countsOf(process.getActiveResourcesInfo()),
      delay,
    };
  }

  stop(): void {
    this.#delay.disable();
  }
}

function countsOf(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}
