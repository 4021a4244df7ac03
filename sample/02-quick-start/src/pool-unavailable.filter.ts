import { type ArgumentsHost, Catch, type ExceptionFilter, Inject } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { NpwsDrainingError, NpwsTimeoutError, NpwsTooManyWaitersError } from 'nestjs-npws';

/** When to come back, in seconds. */
const RETRY_AFTER = '1';

/** Answers 503 with Retry-After when a pool has no connection to give right now. Works on Express and Fastify. */
@Catch(NpwsTimeoutError, NpwsTooManyWaitersError, NpwsDrainingError)
export class PoolUnavailableFilter implements ExceptionFilter {
  constructor(@Inject(HttpAdapterHost) private readonly host: HttpAdapterHost) {}

  catch(error: NpwsTimeoutError | NpwsTooManyWaitersError | NpwsDrainingError, context: ArgumentsHost): void {
    const { httpAdapter } = this.host;
    const response = context.switchToHttp().getResponse<unknown>();
    httpAdapter.setHeader(response, 'Retry-After', RETRY_AFTER);
    // The error's message describes the pool: it is for the log, not for strangers.
    httpAdapter.reply(
      response,
      { statusCode: 503, code: error.code, message: 'no connection right now' },
      503,
    );
  }
}
