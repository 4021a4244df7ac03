import 'reflect-metadata';
// #region client
// src/client-app.ts
import { readFile } from 'node:fs/promises';
import { Inject, Injectable, Logger, Module } from '@nestjs/common';
import type { OnApplicationBootstrap, OnModuleDestroy } from '@nestjs/common';
import {
  ClientPoolService,
  CONTROL_ID,
  NpwsModule,
  type NpwsOptions,
  type PoolConnection,
} from 'nestjs-npws';

@Injectable()
export class AnswerService implements OnApplicationBootstrap, OnModuleDestroy {
  readonly #logger = new Logger('Answers');
  #control: PoolConnection | undefined;

  constructor(@Inject(ClientPoolService) private readonly pool: ClientPoolService) {}

  onApplicationBootstrap(): void {
    this.listen().catch(() => undefined); // until the pool is closed
  }

  onModuleDestroy(): void {
    this.#control?.end();
  }

  async listen(): Promise<void> {
    for (;;) {
      const control = await this.pool.outgoingGet(CONTROL_ID, Infinity); // again whenever it was lost
      control.allowHalfOpen = false; // when the server ends it, it is over
      this.#control = control;
      try {
        let ids = Buffer.alloc(0);
        for await (const bytes of control) {
          ids = Buffer.concat([ids, bytes]);
          for (; ids.length >= 4; ids = ids.subarray(4)) void this.answer(ids.toString('hex', 0, 4));
        }
      } catch (error) {
        this.#logger.warn((error as Error).message); // cut
      }
    }
  }

  async answer(id: string): Promise<void> {
    try {
      const connection = await this.pool.outgoingGet(id, 5_000); // the same one
      connection.setTimeout(10_000, () => connection.destroy()); // nobody asks
      connection.once('data', (question: Buffer) => connection.end(`you asked: ${question.toString()}`));
    } catch (error) {
      this.#logger.warn((error as Error).message); // not there in time
    }
  }
}

@Module({
  imports: [
    NpwsModule.forRootAsync({
      useFactory: async (): Promise<NpwsOptions> => ({
        client: {
          address: `localhost:${process.env['POOL_PORT'] ?? 8443}`,
          tls: { ca: await readFile('server.crt') },
          minCapacity: 5,
          maxCapacity: 20,
          minInterval: 100,
          maxInterval: 5_000,
          reserveControl: true,
        },
      }),
    }),
  ],
  providers: [AnswerService],
})
export class ClientAppModule {}
// #endregion
