import { once } from 'node:events';
import type { ClientPoolOptions, ResolvedClientOptions } from '../core/client-options.js';
import type { ClientPool } from '../core/client-pool.js';
import type { Clock } from '../core/clock.js';
import { DEFAULT_NAME } from '../core/options.js';
import type { ResolvedServerOptions, ServerPoolSettings } from '../core/server-options.js';
import type { ServerPool } from '../core/server-pool.js';
import { buildClientPool, buildServerPool, checkOptions } from '../create-pools.js';
import type { PoolConnection } from '../transport/connection.js';
import { MemoryNetwork } from './memory-network.js';

/**
 * How a pair in memory is made. The defaults suit tests: the client keeps 4 to 16 connections idle and refills within
 * 10 ms, the server lets in 64, and `close()` waits for nobody (`drainTimeout: 0`).
 */
export interface MemoryPoolsOptions {
  /** The name of both pools. Default 'default'. */
  readonly name?: string;
  /** Options of the client pool. Its address and TLS are given: there is no socket. */
  readonly client?: Omit<ClientPoolOptions, 'address' | 'tls' | 'tlsMode' | 'tlsFiles' | 'pin'>;
  /** Options of the server pool. Its listener is given, and there is no TLS. */
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

/** What a test still holds at its end would else be waited for, on a clock that may stand still. */
const BOTH = { drainTimeout: 0 } as const;
const CLIENT = { ...BOTH, minCapacity: 4, maxCapacity: 16, minInterval: 10, maxInterval: 100 } as const;
const SERVER = { ...BOTH, maxCapacity: 64 } as const;

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
  const given = {
    client: { ...CLIENT, ...client, address: 'memory:1', tlsMode: 'none' },
    server: { ...SERVER, ...server, listener: network.listener },
  } as const;
  const resolved = checkOptions(given, name) as {
    client: ResolvedClientOptions;
    server: ResolvedServerOptions;
  };
  const connect = network.connect.bind(network);
  return {
    client: buildClientPool(name, resolved.client, { clock, connect }),
    server: buildServerPool(name, resolved.server, { clock }),
  };
}
