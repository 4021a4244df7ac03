import 'reflect-metadata';
// #region health
import { Controller, Get, Inject, Module } from '@nestjs/common';
import { HealthCheck, type HealthCheckResult, HealthCheckService, TerminusModule } from '@nestjs/terminus';
import { NpwsHealthIndicator, NpwsHealthModule } from 'nestjs-npws/health';

@Controller('health')
export class HealthController {
  constructor(
    @Inject(HealthCheckService) private readonly health: HealthCheckService,
    @Inject(NpwsHealthIndicator) private readonly pools: NpwsHealthIndicator,
  ) {}

  @Get()
  @HealthCheck()
  check(): Promise<HealthCheckResult> {
    return this.health.check([() => this.pools.check('pools')]); // check(key, name) for a named module
  }
}

@Module({ imports: [TerminusModule, NpwsHealthModule], controllers: [HealthController] })
export class HealthModule {}
// #endregion
