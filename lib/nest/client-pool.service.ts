import type { ResolvedClientOptions } from '../core/client-options.js';
import { buildClientPool } from '../create-pools.js';
import { PoolService } from './pool.service.js';

/** The client pool of an application: inject it by this class, named ones by `@InjectClientPool(name)`. */
export class ClientPoolService extends PoolService {
  constructor(name: string, options: ResolvedClientOptions | null) {
    super(name, 'client', options && buildClientPool(name, options), options?.autoStart ?? false);
  }
}
