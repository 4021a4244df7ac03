import { ConsoleLogger } from '@nestjs/common';

/** Who tells of Nest's own start. */
const NEST = new Set([
  'NestFactory',
  'InstanceLoader',
  'RoutesResolver',
  'RouterExplorer',
  'WebSocketsController',
  'NestApplication',
]);

/** Nest's logger without the lines of Nest's own start. */
export class QuietLogger extends ConsoleLogger {
  override log(message: unknown, ...rest: unknown[]): void {
    const context = rest.at(-1);
    if (typeof context === 'string' && !NEST.has(context)) super.log(message, context);
  }
}
