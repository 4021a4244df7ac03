import { Module } from '@nestjs/common';
import { ConfigModule, ConfigService } from '@nestjs/config';
import { APP_FILTER } from '@nestjs/core';
import { TerminusModule } from '@nestjs/terminus';
import { NpwsModule } from 'nestjs-npws';
import { NpwsHealthModule } from 'nestjs-npws/health';
import { EchoController } from './echo.controller.js';
import { validate } from './environment.js';
import { HealthController } from './health.controller.js';
import { createPoolOptions } from './pool-options.js';
import { PoolUnavailableFilter } from './pool-unavailable.filter.js';
import { StatsController } from './stats.controller.js';
import { StatsGateway } from './stats.gateway.js';

/** The pools of this application. It has a name so that tests can put others in their place. */
export const PoolsModule = NpwsModule.forRootAsync({
  inject: [ConfigService],
  useFactory: createPoolOptions,
});

@Module({
  imports: [
    ConfigModule.forRoot({ isGlobal: true, validate }),
    PoolsModule,
    NpwsHealthModule,
    TerminusModule.forRoot({ logger: false }),
  ],
  controllers: [EchoController, StatsController, HealthController],
  providers: [StatsGateway, { provide: APP_FILTER, useClass: PoolUnavailableFilter }],
})
export class AppModule {}
