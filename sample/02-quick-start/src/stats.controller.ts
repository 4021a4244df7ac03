import { Controller, Get, Inject } from '@nestjs/common';
import { ClientPoolService, type PoolStats, ServerPoolService } from 'nestjs-npws';

/** The numbers of both pools at this moment. */
@Controller('stats')
export class StatsController {
  constructor(
    @Inject(ServerPoolService) private readonly serverPool: ServerPoolService,
    @Inject(ClientPoolService) private readonly clientPool: ClientPoolService,
  ) {}

  @Get()
  stats(): Record<'client' | 'server', PoolStats | null> {
    return { client: this.clientPool.stats(), server: this.serverPool.stats() };
  }
}
