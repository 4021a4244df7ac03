import { Controller, Get, Inject } from '@nestjs/common';
import { HealthCheck, type HealthCheckResult, HealthCheckService } from '@nestjs/terminus';
import { NpwsHealthIndicator } from 'nestjs-npws/health';

/** `/health`: 200 while both pools are fit to serve, 503 otherwise. */
@Controller('health')
export class HealthController {
  constructor(
    @Inject(HealthCheckService) private readonly health: HealthCheckService,
    @Inject(NpwsHealthIndicator) private readonly pools: NpwsHealthIndicator,
  ) {}

  @Get()
  @HealthCheck()
  check(): Promise<HealthCheckResult> {
    return this.health.check([() => this.pools.check('pools')]);
  }
}
