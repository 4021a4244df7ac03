// #region error-monitor
import { Inject, Injectable, Logger, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { ClientPoolService } from 'nestjs-npws';

@Injectable()
export class ErrorMonitor implements OnModuleInit, OnModuleDestroy {
  readonly #logger = new Logger('ErrorMonitor');
  #timer: NodeJS.Timeout | undefined;

  constructor(@Inject(ClientPoolService) private readonly clientPool: ClientPoolService) {}

  onModuleInit(): void {
    this.#timer = setInterval(() => {
      this.check();
    }, 10_000);
  }

  onModuleDestroy(): void {
    clearInterval(this.#timer);
  }

  check(): void {
    const errors = this.clientPool.errorCount();
    if (errors <= 10) return;
    const last = this.clientPool.stats()?.lastDialError?.message ?? 'none of ours';
    this.#logger.warn(`high error rate: ${errors} errors; the last failed dial: ${last}`);
    this.clientPool.resetError();
    this.clientPool.flush();
  }
}
// #endregion
