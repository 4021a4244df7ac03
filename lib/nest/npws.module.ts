import { type DynamicModule, Module } from '@nestjs/common';
import {
  type ASYNC_OPTIONS_TYPE,
  ConfigurableModuleClass,
  type OPTIONS_TYPE,
} from './npws.module-definition.js';

/**
 * Provides a `ClientPoolService` and a `ServerPoolService`. Both can always be injected; a role that is not
 * configured does nothing and says so when it is asked for a connection.
 */
@Module({})
export class NpwsModule extends ConfigurableModuleClass {
  /** Registers the pools with options known now. A mistake in them fails the boot with `NpwsOptionsError`. */
  static override forRoot(options: typeof OPTIONS_TYPE): DynamicModule {
    return super.forRoot(options);
  }

  /** Registers the pools with options from a factory (`useFactory`, `useClass` or `useExisting`): `{ client?, server? }`. */
  static override forRootAsync(options: typeof ASYNC_OPTIONS_TYPE): DynamicModule {
    return super.forRootAsync(options);
  }
}
