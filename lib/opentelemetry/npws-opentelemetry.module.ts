import {
  type ConfigurableModuleAsyncOptions,
  ConfigurableModuleBuilder,
  type DynamicModule,
  Inject,
  Module,
  type OnModuleInit,
} from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import { type MeterProvider, metrics } from '@opentelemetry/api';
import { findPools } from '../nest/find-pools.js';
import { observePools } from './exporter.js';

/** What `NpwsOpenTelemetryModule.forRoot` takes. */
export interface NpwsOpenTelemetryOptions {
  /** Where meters come from. Default: the global one, as it is when the application is initialised. */
  readonly meterProvider?: MeterProvider;
}

const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN } =
  new ConfigurableModuleBuilder<NpwsOpenTelemetryOptions>({ moduleName: 'NpwsOpenTelemetry' })
    .setClassMethodName('forRoot')
    .build();

/** Has OpenTelemetry tell of every pool of the application, by the meter 'nestjs-npws'. Import it once, in the root module. */
@Module({})
export class NpwsOpenTelemetryModule extends ConfigurableModuleClass implements OnModuleInit {
  /** Nest makes it. */
  constructor(
    @Inject(MODULE_OPTIONS_TOKEN) private readonly options: NpwsOpenTelemetryOptions,
    @Inject(ModulesContainer) private readonly modules: ModulesContainer,
  ) {
    super();
  }

  /** Observes the application's pools by a provider known now, or the global one. */
  static override forRoot(options: NpwsOpenTelemetryOptions = {}): DynamicModule {
    return super.forRoot(options);
  }

  /** Observes them by a provider from a factory. */
  static override forRootAsync(
    options: ConfigurableModuleAsyncOptions<NpwsOpenTelemetryOptions>,
  ): DynamicModule {
    return super.forRootAsync(options);
  }

  /** Nest calls it at boot, when all pools are made. */
  onModuleInit(): void {
    const provider = this.options.meterProvider ?? metrics.getMeterProvider();
    observePools(provider.getMeter('nestjs-npws'), findPools(this.modules));
  }
}
