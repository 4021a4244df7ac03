import { type DynamicModule, Module } from '@nestjs/common';
import {
  ConfigurableModuleClass,
  type NpwsModuleAsyncOptions,
  type NpwsModuleOptions,
} from './npws.module-definition.js';

/**
 * Provides a `ClientPoolService` and a `ServerPoolService`. Both can always be injected; a role that is not
 * configured does nothing and says so when it is asked for a connection.
 */
@Module({})
export class NpwsModule extends ConfigurableModuleClass {
  /** Registers the pools with options known now. A mistake in them fails the boot with `NpwsOptionsError`. */
  static override forRoot(options: NpwsModuleOptions): DynamicModule {
    return super.forRoot(options);
  }

  /** Registers the pools with options from a factory: `{ client?, server? }`. A mistake in them fails the boot. */
  static override forRootAsync(options: NpwsModuleAsyncOptions): DynamicModule {
    return super.forRootAsync(options);
  }
}
