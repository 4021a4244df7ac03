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
import { ClientPoolService, NpwsModule, type PoolConnection } from 'nestjs-npws';
import { answerCalls } from '../parts/control-line.js';

// Where the bot lives: behind a NAT, so it dials out. No HTTP here.

const ANSWERS: Readonly<Record<string, () => string>> = {
  time: () => new Date().toISOString(),
  host: () => hostname(),
};

@Injectable()
class Answers implements OnApplicationBootstrap, OnModuleDestroy {
  readonly #stopped = new AbortController();

  constructor(@Inject(ClientPoolService) private readonly pool: ClientPoolService) {}

  onApplicationBootstrap(): void {
    void answerCalls(this.pool, this.#stopped.signal, answer);
  }

  onModuleDestroy(): void {
    this.#stopped.abort();
  }
}

function answer(connection: PoolConnection): void {
  // Not by text(), which would cut what has not been ended on this side.
  let question = '';
  connection.on('data', (chunk: Buffer) => (question += chunk.toString()));
  connection.once('end', () => {
    connection.end(ANSWERS[question]?.() ?? `I know ${Object.keys(ANSWERS).join(' and ')} only`);
  });
}

/** Starts the bot: it dials the chat's own port. */
export async function startHome(address: string, logger: LoggerService): Promise<INestApplicationContext> {
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
  const home = await NestFactory.createApplicationContext(HomeModule, { logger });
  await home.get(ClientPoolService).whenReady();
  return home;
}
