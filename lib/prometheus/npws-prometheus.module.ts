import {
  type ConfigurableModuleAsyncOptions,
  ConfigurableModuleBuilder,
  type DynamicModule,
  Inject,
  Module,
  type OnModuleInit,
} from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import { register } from 'prom-client';
import { findPools } from '../nest/find-pools.js';
import { type AnyRegistry, registerPools } from './exporter.js';

/** What `NpwsPrometheusModule.forRoot` takes. */
export interface NpwsPrometheusOptions {
  /** The registry that is scraped. Default: prom-client's own, `register`. */
  readonly registry?: AnyRegistry;
}

const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN } =
  new ConfigurableModuleBuilder<NpwsPrometheusOptions>({ moduleName: 'NpwsPrometheus' })
    .setClassMethodName('forRoot')
    .build();

/** Has a registry of prom-client tell of every pool of the application. Import it once, in the root module. */
@Module({})
export class NpwsPrometheusModule extends ConfigurableModuleClass implements OnModuleInit {
  /** Nest makes it. */
  constructor(
    @Inject(MODULE_OPTIONS_TOKEN) private readonly options: NpwsPrometheusOptions,
    @Inject(ModulesContainer) private readonly modules: ModulesContainer,
  ) {
    super();
  }

  /** Registers the application's pools with a registry known now. */
  static override forRoot(options: NpwsPrometheusOptions = {}): DynamicModule {
    return super.forRoot(options);
  }

  /** Registers them with a registry from a factory. */
  static override forRootAsync(
    options: ConfigurableModuleAsyncOptions<NpwsPrometheusOptions>,
  ): DynamicModule {
    return super.forRootAsync(options);
  }

  /** Nest calls it at boot, when all pools are made. */
  onModuleInit(): void {
    registerPools(this.options.registry ?? register, findPools(this.modules));
  }
}
