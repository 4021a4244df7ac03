import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { TerminusModule } from '@nestjs/terminus';
import { type ClientPoolOptions, NpwsModule } from 'nestjs-npws';
import { NpwsHealthModule } from 'nestjs-npws/health';
import { HealthController } from './health.controller.js';
import { announce } from '../parts/child.js';
import { QuietLogger } from '../parts/quiet-logger.js';
import { numberFrom } from './settings.js';
import { TunnelExit } from './tunnel-exit.js';

// The edge app: it stands beside the private service and dials out. Nobody can dial in.

function clientOptions(): ClientPoolOptions {
  return {
    address: `127.0.0.1:${numberFrom('POOL_PORT', 8443)}`,
    // The public app of this sample makes its own certificate; in production use 'verified', the default.
    tlsMode: 'self-signed',
    minCapacity: 10,
    maxCapacity: 50,
    minInterval: 100,
    maxInterval: 1_000,
    reserveControl: true,
    // A visitor whose announcement was lost sees a reset after this, not an endless wait.
    claimTimeout: 5_000,
  };
}

@Module({
  imports: [
    NpwsModule.forRootAsync({ useFactory: () => ({ client: clientOptions() }) }),
    NpwsHealthModule,
    TerminusModule.forRoot({ logger: false }),
  ],
  controllers: [HealthController],
  providers: [TunnelExit],
})
class EdgeModule {}

const app = await NestFactory.create(EdgeModule, { logger: new QuietLogger({ prefix: 'edge' }) });
// Without this a SIGTERM would cut visitors off instead of draining the pool.
app.enableShutdownHooks();
await app.listen(numberFrom('PORT', 8082), '127.0.0.1');
announce({ health: `${await app.getUrl()}/health` }, () => app.close());
