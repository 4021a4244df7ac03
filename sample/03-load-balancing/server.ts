import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { NpwsModule } from 'nestjs-npws';
import { announce } from '../parts/child.js';
import { PooledHttp } from './pooled-http.js';
import { QuietLogger } from '../parts/quiet-logger.js';
import { ReportController } from './report.controller.js';

// One of the servers: HTTP reaches it through pooled connections only.

const { SERVER_NAME, POOL_PORT, TLS_KEY, TLS_CERT } = process.env;

@Module({
  imports: [
    NpwsModule.forRoot({
      server: {
        listen: { host: '127.0.0.1', port: Number(POOL_PORT) },
        tls: { key: TLS_KEY, cert: TLS_CERT },
        maxCapacity: 50,
        reserveControl: true,
      },
    }),
  ],
  controllers: [ReportController],
  providers: [PooledHttp],
})
class ServerModule {}

const app = await NestFactory.create(ServerModule, {
  logger: new QuietLogger({ prefix: `server ${SERVER_NAME}` }),
});
// Without this a SIGTERM would cut answers off instead of draining the pool.
app.enableShutdownHooks();
// Not `listen`: there is no port for HTTP.
await app.init();
announce({}, () => app.close());
