import { readFile } from 'node:fs/promises';
import { Module } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import { NpwsModule } from 'nestjs-npws';
import { NpwsDashboardModule } from 'nestjs-npws/dashboard';
import { NpwsHealthModule } from 'nestjs-npws/health';
import { NpwsOpenTelemetryModule } from 'nestjs-npws/opentelemetry';
import { NpwsPrometheusModule } from 'nestjs-npws/prometheus';
import { ExchangeService } from './exchange.service.js';
import { HealthController } from './health.controller.js';

const { POOL_PORT = '8443', POOL_KEY = 'server.key', POOL_CERT = 'server.crt' } = process.env;

@Module({
  imports: [
    NpwsModule.forRootAsync({
      useFactory: async () => {
        const [key, cert] = await Promise.all([readFile(POOL_KEY), readFile(POOL_CERT)]);
        return {
          server: {
            listen: { host: '127.0.0.1', port: Number(POOL_PORT) },
            tls: { key, cert },
            maxCapacity: 10,
          },
          client: {
            address: `127.0.0.1:${POOL_PORT}`,
            tls: { ca: cert },
            minCapacity: 2,
            maxCapacity: 5,
            autoStart: false,
          },
        };
      },
    }),
    NpwsModule.forRoot({ name: 'mounted', server: { mount: { path: '/npws' }, maxCapacity: 2 } }),
    TerminusModule,
    NpwsHealthModule,
    NpwsDashboardModule.forRoot(),
    NpwsPrometheusModule.forRoot(),
    NpwsOpenTelemetryModule.forRoot(),
  ],
  controllers: [HealthController],
  providers: [ExchangeService],
})
export class AppModule {}
