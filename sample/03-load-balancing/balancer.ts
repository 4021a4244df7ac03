import {
  Injectable,
  type OnApplicationBootstrap,
  type OnModuleDestroy,
  ServiceUnavailableException,
} from '@nestjs/common';
import { type ClientPoolService, InjectClientPool } from 'nestjs-npws';
import { BackEnd } from './back-end.js';
import type { Answer } from './pooled-get.js';
import type { Strategy } from './strategies.js';

/** An answer, who gave it, and how many servers were asked until it was whole. */
export interface Balanced extends Answer {
  readonly server: string;
  readonly tries: number;
}

/** Spreads requests over three servers. */
@Injectable()
export class Balancer implements OnApplicationBootstrap, OnModuleDestroy {
  readonly backEnds: readonly BackEnd[];

  constructor(
    @InjectClientPool('a') a: ClientPoolService,
    @InjectClientPool('b') b: ClientPoolService,
    @InjectClientPool('c') c: ClientPoolService,
  ) {
    this.backEnds = [a, b, c].map((pool) => new BackEnd(pool));
  }

  onApplicationBootstrap(): void {
    for (const backEnd of this.backEnds) backEnd.start();
  }

  onModuleDestroy(): void {
    for (const backEnd of this.backEnds) backEnd.stop();
  }

  /**
   * Asks the server that `strategy` chooses among those that are ready. One that fails before its answer is whole is
   * passed over for the others: for requests that are safe to repeat. Answers 503 when no server is left to ask.
   */
  async get(path: string, strategy: Strategy): Promise<Balanced> {
    const failed = new Set<BackEnd>();
    for (;;) {
      const backEnd = strategy(this.backEnds.filter((one) => one.isReady && !failed.has(one)));
      if (!backEnd) throw new ServiceUnavailableException('no server answers');
      try {
        const answer = await backEnd.get(path);
        return { ...answer, server: backEnd.name, tries: failed.size + 1 };
      } catch (error) {
        backEnd.pool.addError(error as Error);
        failed.add(backEnd);
      }
    }
  }
}
