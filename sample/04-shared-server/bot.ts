import { text } from 'node:stream/consumers';
import { finished } from 'node:stream/promises';
import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { CONTROL_ID, type PoolConnection, ServerPoolService } from 'nestjs-npws';

/** How long the bot may take to answer, in milliseconds. */
const PATIENCE = 5_000;

/** Asks the bot, over the pool's connections: one for each question. */
@Injectable()
export class Bot implements OnApplicationBootstrap, OnModuleDestroy {
  #control: PoolConnection | undefined;

  constructor(@Inject(ServerPoolService) private readonly pool: ServerPoolService) {}

  onApplicationBootstrap(): void {
    this.#follow().catch(() => undefined); // until the pool is closed
  }

  onModuleDestroy(): void {
    this.#control?.end();
  }

  /** Rejects when the bot is not there, or does not answer. */
  async ask(question: string): Promise<string> {
    if (!this.#control) throw new Error('the bot is not at home');
    const connection = await this.pool.incomingGet(PATIENCE);
    connection.setTimeout(PATIENCE, () => connection.destroy());
    this.#control.write(Buffer.from(connection.id, 'hex'));
    connection.end(question);
    return text(connection);
  }

  /** Holds the control connection, and takes it again whenever it was lost. */
  async #follow(): Promise<void> {
    for (;;) {
      const control = await this.pool.outgoingGet(CONTROL_ID, Infinity);
      control.allowHalfOpen = false;
      this.#control = control.resume();
      await finished(control).catch(() => undefined);
      this.#control = undefined;
    }
  }
}
