import 'reflect-metadata';
import { loadavg } from 'node:os';
import {
  Inject,
  Injectable,
  Module,
  type OnApplicationBootstrap,
  type OnModuleDestroy,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ClientPoolService, NpwsModule } from 'nestjs-npws';
import { announce } from '../parts/child.js';
import { answerCalls } from '../parts/control-line.js';
import { QuietLogger } from '../parts/quiet-logger.js';

// An edge: it stands somewhere behind a NAT, dials out, and tells what it measures. No HTTP here.

/** What an edge measures. */
export interface Reading {
  readonly edge: string;
  readonly process: number;
  readonly load: number;
}

const { EDGE_NAME = 'edge-0', APP_ADDRESS = '127.0.0.1:8080' } = process.env;

@Injectable()
class Sensor implements OnApplicationBootstrap, OnModuleDestroy {
  readonly #stopped = new AbortController();

  constructor(@Inject(ClientPoolService) private readonly pool: ClientPoolService) {}

  onApplicationBootstrap(): void {
    void answerCalls(this.pool, this.#stopped.signal, (connection) => {
      const reading: Reading = { edge: EDGE_NAME, process: process.pid, load: loadavg()[0] ?? 0 };
      connection.end(JSON.stringify(reading));
      connection.resume(); // to its end, which lets it serve again
    });
  }

  onModuleDestroy(): void {
    this.#stopped.abort();
  }
}

@Module({
  imports: [
    NpwsModule.forRoot({
      client: {
        address: APP_ADDRESS,
        path: `/npws/${EDGE_NAME}`,
        // The sample is plain http; behind https leave this out.
        tlsMode: 'none',
        minCapacity: 2,
        maxCapacity: 5,
        minInterval: 100,
        maxBackoff: 1_000,
        reserveControl: true,
      },
    }),
  ],
  providers: [Sensor],
})
class EdgeModule {}

const app = await NestFactory.createApplicationContext(EdgeModule, {
  logger: new QuietLogger({ prefix: EDGE_NAME, logLevels: ['warn', 'error'] }),
});
app.enableShutdownHooks();
announce({}, () => app.close());
