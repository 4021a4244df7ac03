import { text } from 'node:stream/consumers';
import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { ServerPoolService } from 'nestjs-npws';
import { Caller } from '../parts/control-line.js';

/** How long the bot may take to answer, in milliseconds. */
const PATIENCE = 5_000;

/** Asks the bot, over the pool's connections: one for each question. */
@Injectable()
export class Bot implements OnApplicationBootstrap, OnModuleDestroy {
  readonly #home: Caller;

  constructor(@Inject(ServerPoolService) pool: ServerPoolService) {
    this.#home = new Caller(pool);
  }

  onApplicationBootstrap(): void {
    this.#home.start();
  }

  onModuleDestroy(): void {
    this.#home.stop();
  }

  /** Rejects when the bot is not there, or does not answer. */
  async ask(question: string): Promise<string> {
    if (!this.#home.isReady) throw new Error('the bot is not at home');
    const connection = await this.#home.call(AbortSignal.timeout(PATIENCE));
    connection.setTimeout(PATIENCE, () => connection.destroy());
    connection.end(question);
    return text(connection);
  }
}
