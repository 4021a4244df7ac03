import { Logger } from '@nestjs/common';
import type { ClientPool, Pool, PoolConnection } from 'nestjs-npws';
import { auditTime, type Subscription } from 'rxjs';

const logger = new Logger('Monitor');

export function watchAdjustments(clientPool: ClientPool<PoolConnection>): void {
  // #region adjustments
  clientPool.on('adjust', ({ capacity, interval }) => {
    logger.log(`aims at ${capacity} idle connections, a round every ${interval} ms`);
  });

  const { active, capacity, interval, utilization } = clientPool.stats();
  const percent = (utilization * 100).toFixed(1);
  logger.log(`Pool: ${active}/${capacity} connections (${percent} %), ${interval} ms interval`);
  // #endregion
}

// #region debug-logging
export function logConnections(pool: Pool<PoolConnection>): void {
  pool.on('connect', ({ id, peer }) => {
    logger.debug(`${id} is there, with ${peer}`);
  });
  pool.on('disconnect', ({ id, used, why }) => {
    logger.debug(`${id} is gone while ${used ? 'in use' : 'idle'}: ${why}`);
  });
  pool.on('dialError', (error) => {
    logger.debug(error.message);
  });
}

export function logStatus(pool: Pool<PoolConnection>, period = 10_000): Subscription {
  return pool.stats$.pipe(auditTime(period)).subscribe(({ active, capacity, interval, errors }) => {
    logger.log(`active ${active}, capacity ${capacity}, interval ${interval} ms, errors ${errors}`);
  });
}
// #endregion

// #region metrics
export function monitorPoolMetrics(pool: Pool<PoolConnection>): NodeJS.Timeout {
  return setInterval(() => {
    // One moment: nothing changes while a synchronous function runs.
    const { active, used, waiting, capacity, interval, errors } = pool.stats();
    logger.log(JSON.stringify({ active, used, waiting, capacity, interval, errors }));
  }, 1_000).unref();
}
// #endregion
