import 'reflect-metadata';
// #region operated
import { Controller, Get, Header, Inject, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { WsAdapter } from '@nestjs/platform-ws';
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
      server: { mount: { path: '/npws' }, maxCapacity: 100 },
      logs: { rejected: 'debug', adjusted: 'verbose', closed: false },
    }),
    TerminusModule,
    NpwsHealthModule,
    NpwsPrometheusModule.forRoot(), // or { registry }
    NpwsDashboardModule.forRoot(), // or { path, guard }
  ],
  controllers: [OperationsController],
})
export class OperatedModule {}

export async function start(port: number): Promise<NestExpressApplication> {
  const app = await NestFactory.create<NestExpressApplication>(OperatedModule, {
    forceCloseConnections: true, // browsers keep connections that nothing was asked over
  });
  app.useWebSocketAdapter(new WsAdapter(app)); // for the dashboard; the pool needs none
  app.enableShutdownHooks();
  await app.listen(port, '127.0.0.1');
  return app;
}
// #endregion

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
