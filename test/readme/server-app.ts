import 'reflect-metadata';
// #region server
// src/server-app.ts
import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { finished } from 'node:stream/promises';
import { Controller, Get, Inject, Module, Query, ServiceUnavailableException } from '@nestjs/common';
import type { OnApplicationBootstrap, OnModuleDestroy } from '@nestjs/common';
import {
  CONTROL_ID,
  NpwsModule,
  type NpwsOptions,
  type PoolConnection,
  ServerPoolService,
} from 'nestjs-npws';

@Controller()
export class AskController implements OnApplicationBootstrap, OnModuleDestroy {
  #control: PoolConnection | undefined;

  constructor(@Inject(ServerPoolService) private readonly pool: ServerPoolService) {}

  onApplicationBootstrap(): void {
    this.followControl().catch(() => undefined); // until the pool is closed
  }

  onModuleDestroy(): void {
    this.#control?.end(); // or the pool would wait for it
  }

  async followControl(): Promise<void> {
    for (;;) {
      const control = await this.pool.outgoingGet(CONTROL_ID, Infinity);
      control.allowHalfOpen = false; // when the client ends it, it is over
      this.#control = control.resume(); // the client says nothing here; reading shows its end
      await finished(control).catch(() => undefined);
      this.#control = undefined; // the client is gone: its next one comes with a new control connection
    }
  }

  @Get('ask')
  async ask(@Query('q') question = 'why?'): Promise<string> {
    if (!this.#control) throw new ServiceUnavailableException('no client is connected');
    const connection = await this.pool.incomingGet(5_000); // the next idle one
    connection.setTimeout(10_000, () => connection.destroy()); // nobody answers
    this.#control.write(Buffer.from(connection.id, 'hex')); // tell the client which
    connection.end(`${question}\n`); // all is said; the answer still comes
    return text(connection); // until the client ends it in its turn
  }
}

@Module({
  imports: [
    NpwsModule.forRootAsync({
      useFactory: async (): Promise<NpwsOptions> => ({
        server: {
          listen: { port: Number(process.env['POOL_PORT'] ?? 8443) },
          tls: { key: await readFile('server.key'), cert: await readFile('server.crt') },
          maxCapacity: 100,
          reserveControl: true,
        },
      }),
    }),
  ],
  controllers: [AskController],
})
export class ServerAppModule {}
// #endregion
