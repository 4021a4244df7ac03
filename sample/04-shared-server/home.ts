import 'reflect-metadata';
import { hostname } from 'node:os';
import {
  Inject,
  Injectable,
  type INestApplicationContext,
  type LoggerService,
  Module,
  type OnApplicationBootstrap,
  type OnModuleDestroy,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ClientPoolService, CONTROL_ID, NpwsModule, type PoolConnection } from 'nestjs-npws';

// Where the bot lives: behind a NAT, so it dials out. No HTTP here.

/** How long to look for a connection that the chat has named, in milliseconds. */
const PATIENCE = 5_000;

const ANSWERS: Readonly<Record<string, () => string>> = {
  time: () => new Date().toISOString(),
  host: () => hostname(),
};

@Injectable()
class Answers implements OnApplicationBootstrap, OnModuleDestroy {
  #control: PoolConnection | undefined;

  constructor(@Inject(ClientPoolService) private readonly pool: ClientPoolService) {}

  onApplicationBootstrap(): void {
    this.#listen().catch(() => undefined); // until the pool is closed
  }

  onModuleDestroy(): void {
    this.#control?.end();
  }

  async #listen(): Promise<void> {
    for (;;) {
      const control = await this.pool.outgoingGet(CONTROL_ID, Infinity);
      control.allowHalfOpen = false;
      this.#control = control;
      let bytes = Buffer.alloc(0);
      try {
        for await (const chunk of control) {
          bytes = Buffer.concat([bytes, chunk]);
          for (; bytes.length >= 4; bytes = bytes.subarray(4)) {
            // The chat gives up what is not answered.
            this.#answer(bytes.toString('hex', 0, 4)).catch(() => undefined);
          }
        }
      } catch {
        // Cut: the next one comes.
      }
    }
  }

  async #answer(id: string): Promise<void> {
    const connection = await this.pool.outgoingGet(id, PATIENCE);
    // Not by text(), which would cut what has not been ended on this side.
    let question = '';
    connection.on('data', (chunk: Buffer) => (question += chunk.toString()));
    connection.once('end', () => {
      connection.end(ANSWERS[question]?.() ?? `I know ${Object.keys(ANSWERS).join(' and ')} only`);
    });
  }
}

/** Starts the bot: it dials the chat's own port. */
export async function startHome(address: string, logger?: LoggerService): Promise<INestApplicationContext> {
  @Module({
    imports: [
      NpwsModule.forRoot({
        client: {
          address,
          path: '/npws',
          // The sample is plain http; behind https leave this out.
          tlsMode: 'none',
          minCapacity: 2,
          maxCapacity: 10,
          minInterval: 100,
          reserveControl: true,
        },
      }),
    ],
    providers: [Answers],
  })
  class HomeModule {}
  const home = await NestFactory.createApplicationContext(HomeModule, logger ? { logger } : {});
  home.enableShutdownHooks();
  await home.get(ClientPoolService).whenReady();
  return home;
}
