import type { Pool, PoolConnection } from 'nestjs-npws';
import { NpwsTimeoutError } from 'nestjs-npws';

// #region always-close
export async function good(serverPool: Pool<PoolConnection>): Promise<string> {
  await using connection = await serverPool.incomingGet(30_000); // ended however this function is left
  connection.write('hello');
  return connection.id;
}

export async function bad(serverPool: Pool<PoolConnection>): Promise<string> {
  const connection = await serverPool.incomingGet(30_000);
  connection.write('hello');
  return connection.id; // nobody ends it: `stats().used` grows for ever
}
// #endregion

// #region timeouts
export async function orNull(serverPool: Pool<PoolConnection>): Promise<PoolConnection | null> {
  try {
    return await serverPool.incomingGet(10_000); // never null: it resolves to a live connection, or rejects
  } catch (error) {
    if (!(error instanceof NpwsTimeoutError)) throw error; // shutting down
    serverPool.addError(error);
    return null; // answer 503 with Retry-After
  }
}
// #endregion
