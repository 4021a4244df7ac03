import {
  type ConfigurableModuleAsyncOptions,
  ConfigurableModuleBuilder,
  type DynamicModule,
  Module,
} from '@nestjs/common';
import { createController } from './dashboard.controller.js';
import { createGateway } from './dashboard.gateway.js';
import { Dashboard } from './dashboard.js';
import {
  checkPath,
  DASHBOARD_OPTIONS,
  DEFAULT_PATH,
  type NpwsDashboardOptions,
  type NpwsDashboardPlace,
} from './dashboard-options.js';

const { ConfigurableModuleClass } = new ConfigurableModuleBuilder<NpwsDashboardOptions>({
  optionsInjectionToken: DASHBOARD_OPTIONS,
})
  .setClassMethodName('forRoot')
  .setExtras<NpwsDashboardPlace>({ path: DEFAULT_PATH }, (definition, { path = DEFAULT_PATH }) => {
    const feed = `${checkPath(path)}/feed`;
    return {
      ...definition,
      controllers: [createController(path, feed)],
      providers: [...(definition.providers ?? []), Dashboard, createGateway(feed)],
    };
  })
  .build();

/**
 * Serves a live page of every pool of the application. It needs WsAdapter, and `uplot` for its charts. Import it once,
 * in the root module.
 */
@Module({})
export class NpwsDashboardModule extends ConfigurableModuleClass {
  /** Serves it with options known now. Throws `NpwsOptionsError` for a path that is none. */
  static override forRoot(options: NpwsDashboardOptions & NpwsDashboardPlace = {}): DynamicModule {
    return super.forRoot(options);
  }

  /** Serves it with a guard from a factory. The path stands beside it. */
  static override forRootAsync(
    options: ConfigurableModuleAsyncOptions<NpwsDashboardOptions> & NpwsDashboardPlace,
  ): DynamicModule {
    return super.forRootAsync(options);
  }
}
