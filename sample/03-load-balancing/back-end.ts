import { type ClientPoolService, CONTROL_ID, type PoolConnection } from 'nestjs-npws';
import { type Answer, pooledGet } from './pooled-get.js';
import type { Choice } from './strategies.js';

/** How long a server may take to answer, in milliseconds. */
const PATIENCE = 5_000;

/** One server as the front sees it: the pool that dials it, and the control connection that tells it what to take. */
export class BackEnd implements Choice {
  readonly #stopped = new AbortController();
  #control: PoolConnection | undefined;
  #coming: Promise<void> | undefined;

  constructor(readonly pool: ClientPoolService) {}

  get name(): string {
    return this.pool.name;
  }

  /** Whether it can be asked now. */
  get isReady(): boolean {
    return this.#control !== undefined && this.pool.ready();
  }

  /** Requests under way or waiting, relative to what the pool is made for. */
  get load(): number {
    const stats = this.pool.stats();
    return stats ? (stats.used + stats.waiting) / stats.maxCapacity : Infinity;
  }

  /** Has `#control` be the control connection, now and whenever it comes back. */
  start(): void {
    const { signal } = this.#stopped;
    this.#coming = this.pool.outgoingGet(CONTROL_ID, { timeout: Infinity, signal }).then((control) => {
      // The server says nothing here; reading is what shows its end, which is ours too.
      control.allowHalfOpen = false;
      this.#control = control.resume();
      control.once('close', () => {
        this.#control = undefined;
        this.start();
      });
    });
    this.#coming.catch(() => undefined); // shutting down
  }

  /** Resolves when it can be asked; rejects with what failed when that takes too long. */
  async whenReady(): Promise<void> {
    await this.pool.whenReady();
    await this.#coming;
  }

  /** Asks nothing more. What is under way goes on. */
  stop(): void {
    this.#stopped.abort();
    this.#control?.end();
  }

  /** Asks the server. Rejects when the answer does not come, or not as a whole, or not in time. */
  async get(path: string): Promise<Answer> {
    const signal = AbortSignal.timeout(PATIENCE);
    // Takes any idle connection; the server takes the same one by its ID.
    const connection = await this.pool.incomingGet({ signal });
    if (!this.#control) {
      connection.destroy();
      throw new Error(`server ${this.name} is gone`);
    }
    this.#control.write(Buffer.from(connection.id, 'hex'));
    return pooledGet(connection, path, signal);
  }
}
