import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { WsAdapter } from '@nestjs/platform-ws';
import { TerminusModule } from '@nestjs/terminus';
import { NpwsModule, ServerPoolService, type ServerPoolOptions } from 'nestjs-npws';
import { NpwsDashboardModule } from 'nestjs-npws/dashboard';
import { NpwsHealthModule } from 'nestjs-npws/health';
import { generate } from 'selfsigned';
import { HealthController } from './health.controller.js';
import { announce } from '../parts/child.js';
import { QuietLogger } from '../parts/quiet-logger.js';
import { numberFrom } from './settings.js';
import { TunnelEntrance } from './tunnel-entrance.js';

// The public app: visitors come to it, and edges dial its server pool.

async function serverOptions(): Promise<ServerPoolOptions> {
  // For a demonstration only: in production pass a certificate that clients can verify.
  const { private: key, cert } = await generate([{ name: 'commonName', value: 'localhost' }], {
    keyType: 'ec',
  });
  return {
    listen: { host: '127.0.0.1', port: numberFrom('POOL_PORT', 8443) },
    tls: { key, cert },
    maxCapacity: 100,
    reserveControl: true,
  };
}

@Module({
  imports: [
    NpwsModule.forRootAsync({ useFactory: async () => ({ server: await serverOptions() }) }),
    NpwsHealthModule,
    // For this machine alone, as long as it has no guard.
    ...(process.env['DASHBOARD'] === 'off' ? [] : [NpwsDashboardModule.forRoot()]),
    TerminusModule.forRoot({ logger: false }),
  ],
  controllers: [HealthController],
  providers: [TunnelEntrance],
})
class PublicModule {}

const app = await NestFactory.create(PublicModule, {
  logger: new QuietLogger({ prefix: 'public' }),
  // Browsers keep connections that nothing was asked over: Node would wait for them at its end.
  forceCloseConnections: true,
});
app.useWebSocketAdapter(new WsAdapter(app));
// Without this a SIGTERM would cut visitors off instead of draining the pool.
app.enableShutdownHooks();
await app.listen(numberFrom('PORT', 8081), '127.0.0.1');
const url = await app.getUrl();
announce(
  {
    health: `${url}/health`,
    dashboard: `${url}/npws-dashboard`,
    visitorPort: app.get(TunnelEntrance).port,
    poolPort: app.get(ServerPoolService).address()?.port ?? 0,
  },
  () => app.close(),
);
