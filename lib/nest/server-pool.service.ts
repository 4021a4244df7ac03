import type { ServerPool } from '../core/server-pool.js';
import type { ResolvedLogOptions } from '../core/log-options.js';
import type { PoolConnection } from '../transport/connection.js';
import { PoolService } from './pool.service.js';

/** The server pool of an application: inject it by this class, named ones by `@InjectServerPool(name)`. */
export class ServerPoolService extends PoolService {
  /** The module makes it. `pool` is null for a role that was not configured. */
  constructor(
    name: string,
    pool: ServerPool<PoolConnection> | null,
    autoStart: boolean,
    logs?: ResolvedLogOptions,
  ) {
    super(name, 'server', pool, autoStart, logs);
  }
}
