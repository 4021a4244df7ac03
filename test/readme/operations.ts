import 'reflect-metadata';
import type { INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { WsAdapter } from '@nestjs/platform-ws';
import type { NpwsOptions } from 'nestjs-npws';
// #region operated
// src/operations.module.ts
import { Controller, Get, Header, Inject, Module } from '@nestjs/common';
import { HealthCheck, type HealthCheckResult, HealthCheckService, TerminusModule } from '@nestjs/terminus';
import { NpwsModule } from 'nestjs-npws';
import { NpwsDashboardModule } from 'nestjs-npws/dashboard';
import { NpwsHealthIndicator, NpwsHealthModule } from 'nestjs-npws/health';
import { NpwsPrometheusModule } from 'nestjs-npws/prometheus';
import { register } from 'prom-client';

@Controller()
export class OperationsController {
  constructor(
    @Inject(HealthCheckService) private readonly health: HealthCheckService,
    @Inject(NpwsHealthIndicator) private readonly pools: NpwsHealthIndicator,
  ) {}

  @Get('health/ready')
  @HealthCheck()
  ready(): Promise<HealthCheckResult> {
    return this.health.check([() => this.pools.check('pools', { maxPending: 100 })]);
  }

  @Get('health/live')
  @HealthCheck()
  live(): Promise<HealthCheckResult> {
    return this.health.check([() => this.pools.live('pools')]);
  }

  @Get('metrics')
  @Header('Content-Type', register.contentType)
  metrics(): Promise<string> {
    return register.metrics();
  }
}

@Module({
  imports: [
    NpwsModule.forRoot({
      server: { mount: { path: '/npws' }, maxCapacity: 100, reserveControl: true },
    }),
    TerminusModule,
    NpwsHealthModule,
    NpwsPrometheusModule.forRoot(), // or { registry }
    NpwsDashboardModule.forRoot(), // or { path, guard }
  ],
  controllers: [OperationsController],
})
export class OperationsModule {}
// #endregion

@Module({ imports: [OperationsModule] })
class AppModule {}

export async function bootstrap(): Promise<INestApplication> {
  // #region operated-main
  // import { WsAdapter } from '@nestjs/platform-ws';
  const app = await NestFactory.create(AppModule, {
    forceCloseConnections: true, // browsers keep connections that nothing was asked over
  });
  app.useWebSocketAdapter(new WsAdapter(app)); // for the dashboard; the pool needs none
  app.enableShutdownHooks(); // or a SIGTERM kills streams in use instead of draining the pools
  await app.listen(process.env['PORT'] ?? 3000, process.env['HOST'] ?? '0.0.0.0');
  // #endregion
  return app;
}

export const mountedClient = (address: string): NpwsOptions => ({
  // #region mounted-client
  client: {
    address, // 'localhost:3000'
    path: '/npws',
    tlsMode: 'none', // as long as the application speaks plain http
    minCapacity: 5,
    maxCapacity: 20,
    reserveControl: true, // as the server has it
  },
  // #endregion
});

// #region guard
export const GuardedDashboard = NpwsDashboardModule.forRoot({
  path: '/ops/pools',
  guard: ({ headers }) => headers['x-operator-token'] === process.env['OPERATOR_TOKEN'],
});
// #endregion

// #region opentelemetry
import { MeterProvider } from '@opentelemetry/sdk-metrics';
import { NpwsOpenTelemetryModule } from 'nestjs-npws/opentelemetry';

@Module({
  imports: [
    NpwsModule.forRoot({ server: { listen: { port: 8443 } } }),
    NpwsOpenTelemetryModule.forRoot({ meterProvider: new MeterProvider() }), // or none: the global one
  ],
})
export class ObservedModule {}
// #endregion

// #region mount-alone
import { createServer } from 'node:http';
import { createServerPool } from 'nestjs-npws';

export async function mountAlone(port: number): Promise<AsyncDisposable> {
  const http = createServer((_, response) => response.end('anything else'));
  const pool = createServerPool({ mount: { path: '/npws', server: http }, maxCapacity: 100 });
  await pool.start();
  http.listen(port, '127.0.0.1');
  return {
    async [Symbol.asyncDispose]() {
      await pool.close();
      await new Promise((resolve) => http.close(resolve));
    },
  };
}
// #endregion
