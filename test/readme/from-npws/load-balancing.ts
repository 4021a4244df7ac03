// #region load-balancing
import {
  type ClientPool,
  type ClientPoolOptions,
  createClientPool,
  NpwsTimeoutError,
  type PoolConnection,
} from 'nestjs-npws';

export class RoundRobin implements AsyncDisposable {
  readonly #pools: ClientPool<PoolConnection>[];
  #turn = 0;

  /** A pool for each address, such as 'server1.example.com:8443'. */
  constructor(addresses: readonly string[], options: Omit<ClientPoolOptions, 'address'>) {
    this.#pools = addresses.map((address) => createClientPool({ ...options, address }, { name: address }));
  }

  async start(): Promise<void> {
    await Promise.all(this.#pools.map((pool) => pool.start()));
  }

  /** The next idle connection of the next server that is there; one that has none to give is passed over. */
  async get(): Promise<PoolConnection> {
    for (let tries = 1; ; tries++) {
      const pool = this.#next();
      try {
        return await pool.incomingGet(5_000);
      } catch (error) {
        if (!(error instanceof NpwsTimeoutError) || tries === this.#pools.length) throw error;
        pool.addError(error);
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#pools.map((pool) => pool.close()));
  }

  #next(): ClientPool<PoolConnection> {
    const ready = this.#pools.filter((pool) => pool.ready());
    const pools = ready.length > 0 ? ready : this.#pools;
    return pools[this.#turn++ % pools.length] as ClientPool<PoolConnection>;
  }
}
// #endregion
