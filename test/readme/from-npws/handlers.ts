// #region anti-pattern
import { text } from 'node:stream/consumers';
import { Controller, Get, Inject, ServiceUnavailableException } from '@nestjs/common';
import { ClientPoolService, createClientPool } from 'nestjs-npws';

@Controller('slow')
export class PoolPerRequestController {
  @Get()
  async slow(): Promise<string> {
    // DON'T: each request pays for the hand-shakes of a whole pool.
    await using pool = createClientPool({
      address: process.env['POOL_ADDRESS'] ?? 'server:8443',
      tlsMode: '1',
    });
    await pool.start();
    return await text(await pool.incomingGet(5_000));
  }
}

@Controller('fast')
export class SharedPoolController {
  constructor(@Inject(ClientPoolService) private readonly pool: ClientPoolService) {}

  @Get()
  async fast(): Promise<string> {
    // DO: the application's pool, whose hand-shakes were paid beforehand.
    try {
      return await text(await this.pool.incomingGet(5_000));
    } catch (error) {
      throw new ServiceUnavailableException('no connection right now', { cause: error });
    }
  }
}
// #endregion
