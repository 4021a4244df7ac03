import { ConsoleLogger } from '@nestjs/common';

/** Who tells of Nest's own start. */
const NEST: readonly unknown[] = [
  'NestFactory',
  'InstanceLoader',
  'RoutesResolver',
  'RouterExplorer',
  'WebSocketsController',
  'NestApplication',
];

/** Nest's logger without the lines of Nest's own start. */
export class QuietLogger extends ConsoleLogger {
  override log(message: unknown, ...rest: unknown[]): void {
    if (!NEST.includes(rest.at(-1))) super.log(message, ...rest);
  }
}
