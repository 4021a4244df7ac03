import { once } from 'node:events';
import type { ClientPoolOptions, ResolvedClientOptions } from '../core/client-options.js';
import type { ClientPool } from '../core/client-pool.js';
import type { Clock } from '../core/clock.js';
import { NpwsOptionsError } from '../core/errors.js';
import { DEFAULT_NAME } from '../core/options.js';
import type { ResolvedServerOptions, ServerPoolSettings } from '../core/server-options.js';
import type { ServerPool } from '../core/server-pool.js';
import { MAX_TIMEOUT } from '../core/waiters.js';
import { buildClientPool, buildServerPool, checkOptions } from '../create-pools.js';
import type { PoolConnection } from '../transport/connection.js';
import { MemoryNetwork } from './memory-network.js';

/**
 * How a pair in memory is made. The defaults suit tests: the client keeps 4 to 16 connections idle and refills within
 * 10 ms, the server lets in 64, `close()` waits for nobody (`drainTimeout: 0`), and nobody is pinged (`ping: 'off'`: while a
 * `FakeClock` moves, no byte does).
 */
export interface MemoryPoolsOptions {
  /** The name of both pools. Default 'default'. */
  readonly name?: string;
  /** Options of the client pool. Its address and TLS are given: there is no socket. `autoStart` is for the module. */
  readonly client?: Omit<ClientPoolOptions, 'address' | 'tls' | 'tlsMode' | 'tlsFiles' | 'pin'>;
  /** Options of the server pool. Its listener is given, and there is no TLS. `autoStart` is for the module. */
  readonly server?: Omit<ServerPoolSettings, 'tls' | 'tlsFiles'>;
  /** The time of both pools: a `FakeClock`, to move it by hand. Default: the real one. */
  readonly clock?: Clock;
  /** What joins them: one of your own, to have it fail. */
  readonly network?: MemoryNetwork;
}

/** A client pool and a server pool that are joined in memory. */
export interface MemoryPools {
  /** The one that dials. */
  readonly client: ClientPool<PoolConnection>;
  /** The one that is dialled. */
  readonly server: ServerPool<PoolConnection>;
}

/**
 * `close()` would else wait for what a test still holds, on a clock that may stand still; and while a test moves the
 * clock no byte moves, so that pongs would be late, and so would be what comes for a link that is too old.
 */
const BOTH = { drainTimeout: 0, ping: 'off', maxLifetime: MAX_TIMEOUT } as const;
const SERVER = { ...BOTH, maxCapacity: 64 } as const;

/** One bound of an application's own moves the other. */
function clientDefaults({
  minCapacity,
  maxCapacity,
  minInterval,
  maxInterval,
}: Partial<ClientPoolOptions> = {}): Partial<ClientPoolOptions> {
  return {
    ...BOTH,
    minCapacity: Math.min(4, maxCapacity ?? 4),
    maxCapacity: Math.max(16, minCapacity ?? 16),
    minInterval: Math.min(10, maxInterval ?? 10),
    maxInterval: Math.max(100, minInterval ?? 100),
  };
}

/** A pair that runs. */
export interface RunningMemoryPools extends MemoryPools, AsyncDisposable {
  /** Closes both; so does `await using`. */
  close(): Promise<void>;
}

/**
 * A client pool and a server pool joined in memory, started and filled: the real pools, protocol and streams, but no
 * socket, no port and no TLS. Throws `NpwsOptionsError` with every problem at once.
 */
export async function createMemoryPools(options: MemoryPoolsOptions = {}): Promise<RunningMemoryPools> {
  const { client, server } = joinInMemory(options);
  await server.start();
  await client.start();
  // Whatever becomes of the first dials: a test may begin with a network that is down.
  while (client.stats().connecting > 0) await once(client, 'change');
  const close = async (): Promise<void> => {
    await Promise.all([client.close(), server.close()]);
  };
  return { client, server, close, [Symbol.asyncDispose]: close };
}

/** The same, not started yet. */
export function joinInMemory({
  name = DEFAULT_NAME,
  client,
  server,
  clock,
  network = new MemoryNetwork(),
}: MemoryPoolsOptions): MemoryPools {
  const listener = network.join();
  if (!listener) {
    throw new NpwsOptionsError(`pool '${name}'`, [
      'network: it joins another pair that is open: make one for each',
    ]);
  }
  const given = {
    client: { ...clientDefaults(client), ...client, address: 'memory:1', tlsMode: 'none' },
    server: { ...SERVER, ...server, listener },
  } as const;
  const connect = network.connect.bind(network);
  try {
    const resolved = checkOptions(given, name) as {
      client: ResolvedClientOptions;
      server: ResolvedServerOptions;
    };
    return {
      client: buildClientPool(name, resolved.client, { clock, connect }),
      server: buildServerPool(name, resolved.server, { clock }),
    };
  } catch (error) {
    // The network is free for the next pair.
    listener.close();
    throw error;
  }
}
