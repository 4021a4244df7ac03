import type { ResolvedServerOptions } from '../core/server-options.js';
import { buildServerPool } from '../create-pools.js';
import { PoolService } from './pool.service.js';

/** The server pool of an application: inject it by this class, named ones by `@InjectServerPool(name)`. */
export class ServerPoolService extends PoolService {
  constructor(name: string, options: ResolvedServerOptions | null) {
    super(name, 'server', options && buildServerPool(name, options), options?.autoStart ?? false);
  }
}
