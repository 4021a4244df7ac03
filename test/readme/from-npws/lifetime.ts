import { createClientPool, type ClientPoolOptions, type Pool, type PoolConnection } from 'nestjs-npws';

export async function untilCancelled(options: ClientPoolOptions, work: Promise<void>): Promise<string> {
  // #region context
  const context = new AbortController(); // Go's context.WithCancel

  const clientPool = createClientPool(options, { signal: context.signal });
  await clientPool.start();

  // A wait can have a signal of its own.
  const { signal } = context;
  const connection = clientPool.incomingGet({ timeout: Infinity, signal }).catch(() => undefined);

  await work;
  context.abort(); // closes the pool: waits reject, streams in use may finish within `drainTimeout`
  await clientPool.close(); // resolves when nothing remains
  // #endregion
  await connection;
  return clientPool.stats().state;
}

// #region shutdown
export async function shutDown(pools: readonly Pool<PoolConnection>[]): Promise<void> {
  // First all at once: nothing new is handed out or let in.
  for (const pool of pools) pool.drain();
  // Streams in use have `drainTimeout` to finish, then they are cut, so that their readers see an error.
  await Promise.all(pools.map((pool) => pool.close()));
}
// #endregion
