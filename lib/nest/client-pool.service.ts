import type { ClientPool } from '../core/client-pool.js';
import type { ResolvedLogOptions } from '../core/log-options.js';
import type { PoolConnection } from '../transport/connection.js';
import { PoolService } from './pool.service.js';

/** The client pool of an application: inject it by this class, named ones by `@InjectClientPool(name)`. */
export class ClientPoolService extends PoolService {
  /** The module makes it. `pool` is null for a role that was not configured. */
  constructor(
    name: string,
    pool: ClientPool<PoolConnection> | null,
    autoStart: boolean,
    logs?: ResolvedLogOptions,
  ) {
    super(name, 'client', pool, autoStart, logs);
  }
}
