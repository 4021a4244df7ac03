import type {
  ClientPool,
  ClientPoolOptions,
  PoolConnection,
  ServerPool,
  ServerPoolSettings,
} from 'nestjs-npws';
import { type Cancel, type Clock, systemClock } from '../../lib/core/clock.js';
import { resolveOptions } from '../../lib/core/options.js';
import { buildClientPool, buildServerPool } from '../../lib/create-pools.js';

/** The real clock, and how many callbacks wait on it: what nobody else in the process can blur. */
export class CountingClock implements Clock {
  readonly #waiting = new Set<Cancel>();

  get pending(): number {
    return this.#waiting.size;
  }

  now(): number {
    return systemClock.now();
  }

  after(ms: number, callback: () => void): Cancel {
    const stop = systemClock.after(ms, () => {
      this.#waiting.delete(cancel);
      callback();
    });
    const cancel = (): void => {
      this.#waiting.delete(cancel);
      stop();
    };
    this.#waiting.add(cancel);
    return cancel;
  }
}

interface Counted<P> {
  readonly pool: P;
  readonly clock: CountingClock;
}

/** A server pool on plain ws and a free port, and its clock. */
export function createCountedServerPool(
  options: ServerPoolSettings = {},
): Counted<ServerPool<PoolConnection>> {
  const clock = new CountingClock();
  return { pool: createServerPoolOn(clock, options), clock };
}

/** A server pool on plain ws and a free port, with a clock of one's own. */
export function createServerPoolOn(
  clock: Clock,
  options: ServerPoolSettings = {},
): ServerPool<PoolConnection> {
  const { server } = resolveOptions({
    server: { listen: { host: '127.0.0.1', port: 0 }, maxCapacity: 10, ...options },
  });
  if (!server) throw new Error('no server options');
  return buildServerPool('counted', server, { clock });
}

/** A client pool on plain ws, and its clock. */
export function createCountedClientPool(options: ClientPoolOptions): Counted<ClientPool<PoolConnection>> {
  const clock = new CountingClock();
  const { client } = resolveOptions({ client: { tlsMode: 'none', ...options } });
  if (!client) throw new Error('no client options');
  return {
    pool: buildClientPool('counted', client, { clock }),
    clock,
  };
}
