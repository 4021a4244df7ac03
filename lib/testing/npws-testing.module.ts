import { type DynamicModule, Module } from '@nestjs/common';
import { DEFAULT_NAME } from '../core/options.js';
import { ClientPoolService } from '../nest/client-pool.service.js';
import type { NpwsModuleExtras } from '../nest/npws.module-definition.js';
import { ServerPoolService } from '../nest/server-pool.service.js';
import { getClientPoolToken, getServerPoolToken } from '../nest/tokens.js';
import { joinInMemory, type MemoryPools, type MemoryPoolsOptions } from './memory-pools.js';

/** What `NpwsTestingModule.forRoot` takes. */
export interface NpwsTestingModuleOptions extends MemoryPoolsOptions, NpwsModuleExtras {
  readonly name?: string;
}

/**
 * Takes the place of `NpwsModule` in a test: provides a `ClientPoolService` and a `ServerPoolService` that are joined in
 * memory, so that a test plays the far side of the application with the one that the application does not use.
 */
@Module({})
export class NpwsTestingModule {
  /** Registers both pools, under a name or not. A mistake in the options fails the boot with `NpwsOptionsError`. */
  static forRoot(options: NpwsTestingModuleOptions = {}): DynamicModule {
    const { name = DEFAULT_NAME, isGlobal = false, client, server } = options;
    const pools = Symbol('NPWS_MEMORY_POOLS');
    const clientToken = getClientPoolToken(name);
    const serverToken = getServerPoolToken(name);
    return {
      module: NpwsTestingModule,
      global: isGlobal,
      providers: [
        { provide: pools, useFactory: () => joinInMemory(options) },
        {
          provide: clientToken,
          useFactory: ({ client: pool }: MemoryPools) =>
            new ClientPoolService(name, pool, client?.autoStart ?? true),
          inject: [pools],
        },
        {
          provide: serverToken,
          useFactory: ({ server: pool }: MemoryPools) =>
            new ServerPoolService(name, pool, server?.autoStart ?? true),
          inject: [pools],
        },
      ],
      exports: [clientToken, serverToken],
    };
  }
}
