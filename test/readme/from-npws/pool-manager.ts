// #region pool-manager
import { Inject, Injectable, Logger } from '@nestjs/common';
import { ClientPoolService, type PoolConnection } from 'nestjs-npws';
import { getWithRetry } from '../errors.js'; // the block above

const MAX_ERRORS = 10;

@Injectable()
export class PoolManager {
  readonly #logger = new Logger('PoolManager');

  constructor(@Inject(ClientPoolService) private readonly pool: ClientPoolService) {}

  get(id: string): Promise<PoolConnection> {
    return getWithRetry(this.pool, id, 3);
  }

  /** To be called every 30 seconds, say. */
  healthCheck(): void {
    const errors = this.pool.errorCount();
    if (errors > MAX_ERRORS) {
      this.#logger.warn(`high error rate: ${errors} errors`);
      this.pool.flush();
      this.pool.resetError();
    }
    const utilization = (this.pool.active() / this.pool.capacity()) * 100;
    this.#logger.log(`utilization ${utilization.toFixed(1)} %, errors ${errors}`);
  }
}
// #endregion
