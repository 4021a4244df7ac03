import { Controller, Get, Header, Inject } from '@nestjs/common';
import { HealthCheck, type HealthCheckResult, HealthCheckService } from '@nestjs/terminus';
import { NpwsHealthIndicator } from 'nestjs-npws/health';
import { register } from 'prom-client';
import { EDGES } from './edges.js';

/** What those who run the fleet come for. */
@Controller()
export class OperationsController {
  constructor(
    @Inject(HealthCheckService) private readonly health: HealthCheckService,
    @Inject(NpwsHealthIndicator) private readonly pools: NpwsHealthIndicator,
  ) {}

  /** 200 as long as this application serves; an edge that is away is `degraded`. */
  @Get('health')
  @HealthCheck()
  check(): Promise<HealthCheckResult> {
    return this.health.check(EDGES.map((name) => () => this.pools.check(name, name)));
  }

  /** 503 as long as an edge is away. */
  @Get('health/fleet')
  @HealthCheck()
  fleet(): Promise<HealthCheckResult> {
    return this.health.check(EDGES.map((name) => () => this.pools.check(name, { name, minIdle: 1 })));
  }

  @Get('metrics')
  @Header('Content-Type', register.contentType)
  metrics(): Promise<string> {
    return register.metrics();
  }
}
