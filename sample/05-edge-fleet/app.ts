import 'reflect-metadata';
import { type INestApplication, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { WsAdapter } from '@nestjs/platform-ws';
import { TerminusModule } from '@nestjs/terminus';
import { getServerPoolToken, NpwsModule, type ServerPoolService } from 'nestjs-npws';
import { NpwsDashboardModule } from 'nestjs-npws/dashboard';
import { NpwsHealthModule } from 'nestjs-npws/health';
import { NpwsPrometheusModule } from 'nestjs-npws/prometheus';
import { QuietLogger } from '../parts/quiet-logger.js';
import { EdgesController } from './edges.controller.js';
import { Edges, EDGES } from './edges.js';
import { OperationsController } from './operations.controller.js';

// The public app: everything on one port.

@Module({
  imports: [
    ...EDGES.map((name) =>
      NpwsModule.forRoot({
        name,
        server: { mount: { path: `/npws/${name}` }, maxCapacity: 5, reserveControl: true },
        // Ten of each would tell little.
        logs: { listening: 'debug', draining: 'debug', closed: 'debug' },
      }),
    ),
    TerminusModule.forRoot({ logger: false }),
    NpwsHealthModule,
    NpwsPrometheusModule.forRoot(),
    // For this machine alone, as long as it has no guard.
    NpwsDashboardModule.forRoot(),
  ],
  controllers: [EdgesController, OperationsController],
  providers: [
    {
      provide: Edges,
      inject: EDGES.map(getServerPoolToken),
      useFactory: (...pools: ServerPoolService[]) => new Edges(pools),
    },
  ],
})
class AppModule {}

/** Starts the public app on a port of this machine. */
export async function startApp(port: number): Promise<INestApplication> {
  const app = await NestFactory.create(AppModule, {
    logger: new QuietLogger({ prefix: 'public', logLevels: ['log', 'warn', 'error'] }),
    // Browsers keep connections that nothing was asked over: Node would wait for them at its end.
    forceCloseConnections: true,
  });
  // For the dashboard; the pools need no adapter.
  app.useWebSocketAdapter(new WsAdapter(app));
  await app.listen(port, '127.0.0.1');
  return app;
}
