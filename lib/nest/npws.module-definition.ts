import {
  type ConfigurableModuleAsyncOptions,
  ConfigurableModuleBuilder,
  type DynamicModule,
  type Provider,
} from '@nestjs/common';
import { HttpAdapterHost, ModulesContainer } from '@nestjs/core';
import { DEFAULT_NAME, type NpwsOptions, type ResolvedOptions } from '../core/options.js';
import { buildClientPool, buildServerPool, checkOptions } from '../create-pools.js';
import { findHttpServer } from './application-server.js';
import { ClientPoolService } from './client-pool.service.js';
import { ServerPoolService } from './server-pool.service.js';
import { getClientPoolToken, getServerPoolToken } from './tokens.js';

/** What stands beside the options of `forRoot` and beside the factory of `forRootAsync`. */
export interface NpwsModuleExtras {
  /** Sets this module's pools apart from others: inject them by `@InjectClientPool(name)` and `@InjectServerPool(name)`. */
  name?: string;
  /** Whether the pools can be injected everywhere without importing the module. Default false. */
  isGlobal?: boolean;
}

/** What `NpwsModule.forRoot` takes. */
export interface NpwsModuleOptions extends NpwsOptions, NpwsModuleExtras {}

/**
 * What `NpwsModule.forRootAsync` takes: a factory (`useFactory`, `useClass` or `useExisting`) of `{ client?, server? }`.
 * Annotate what it returns (`: NpwsOptions`), and the compiler finds a misspelt option too.
 */
export interface NpwsModuleAsyncOptions
  extends ConfigurableModuleAsyncOptions<NpwsOptions, 'createNpwsOptions'>, NpwsModuleExtras {}

/** What a class passed as `useClass` or `useExisting` has to implement. */
export interface NpwsOptionsFactory {
  /** Returns the options, now or later. Called once, at boot. */
  createNpwsOptions(): NpwsOptions | Promise<NpwsOptions>;
}

const RESOLVED_OPTIONS = Symbol('NPWS_RESOLVED_OPTIONS');

export const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN } = new ConfigurableModuleBuilder<NpwsOptions>({
  moduleName: 'Npws',
})
  .setClassMethodName('forRoot')
  .setFactoryMethodName('createNpwsOptions')
  .setExtras<NpwsModuleExtras>({ name: DEFAULT_NAME, isGlobal: false }, addPools)
  .build();

function addPools(
  definition: DynamicModule,
  { name = DEFAULT_NAME, isGlobal = false }: NpwsModuleExtras,
): DynamicModule {
  const client = getClientPoolToken(name);
  const server = getServerPoolToken(name);
  const providers: Provider[] = [
    {
      provide: RESOLVED_OPTIONS,
      useFactory: (options: NpwsOptions) => checkOptions(options, name),
      inject: [MODULE_OPTIONS_TOKEN],
    },
    {
      provide: client,
      useFactory: ({ client: options, logs }: ResolvedOptions) =>
        new ClientPoolService(
          name,
          options && buildClientPool(name, options),
          options?.autoStart ?? false,
          logs,
        ),
      inject: [RESOLVED_OPTIONS],
    },
    {
      provide: server,
      useFactory: (
        { server: options, logs }: ResolvedOptions,
        application: HttpAdapterHost,
        modules: ModulesContainer,
      ) => {
        const pool = options && buildServerPool(name, options, {}, findHttpServer(application, modules));
        return new ServerPoolService(name, pool, options?.autoStart ?? false, logs);
      },
      inject: [RESOLVED_OPTIONS, HttpAdapterHost, ModulesContainer],
    },
  ];
  return {
    ...definition,
    global: isGlobal,
    providers: [...(definition.providers ?? []), ...providers],
    exports: [client, server],
  };
}
