// #region retry
import { setTimeout as sleep } from 'node:timers/promises';
import { NpwsTimeoutError, type Pool, type PoolConnection, type PoolService } from 'nestjs-npws';

export async function getWithRetry(
  pool: Pool<PoolConnection> | PoolService,
  id: string,
  tries: number,
): Promise<PoolConnection> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await pool.outgoingGet(id, 5_000);
    } catch (error) {
      if (!(error instanceof NpwsTimeoutError) || attempt === tries) throw error;
      pool.addError(error);
      await sleep(attempt * 100);
    }
  }
}
// #endregion
