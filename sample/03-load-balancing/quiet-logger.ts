import { ConsoleLogger } from '@nestjs/common';

/** Nest's logger without the lines of Nest's own start. */
export class QuietLogger extends ConsoleLogger {
  override log(message: unknown, ...rest: unknown[]): void {
    const context = rest.at(-1);
    if (typeof context === 'string' && /^(ClientPool|ServerPool)/.test(context)) super.log(message, context);
  }
}
