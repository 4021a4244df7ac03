import 'reflect-metadata';
// #region server
import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { Controller, Get, Inject, Module, Query } from '@nestjs/common';
import type { OnApplicationBootstrap, OnModuleDestroy } from '@nestjs/common';
import { CONTROL_ID, NpwsModule, type PoolConnection, ServerPoolService } from 'nestjs-npws';

@Controller()
export class AskController implements OnApplicationBootstrap, OnModuleDestroy {
  #control!: Promise<PoolConnection>;

  constructor(@Inject(ServerPoolService) private readonly pool: ServerPoolService) {}

  onApplicationBootstrap(): void {
    // By custom both ends take '00000000' and use it to talk about the others.
    this.#control = this.pool.outgoingGet(CONTROL_ID, Infinity);
    this.#control.catch(() => undefined); // shut down before the client came
  }

  onModuleDestroy(): void {
    void this.#control.then((control) => control.end()).catch(() => undefined); // or the pool would wait for it
  }

  @Get('ask')
  async ask(@Query('q') question: string): Promise<string> {
    const control = await this.#control;
    const connection = await this.pool.incomingGet(5_000); // the next idle one
    control.write(Buffer.from(connection.id, 'hex')); // tell the client which
    connection.write(question);
    return text(connection); // until the client ends it
  }
}

@Module({
  imports: [
    NpwsModule.forRootAsync({
      useFactory: async () => ({
        server: {
          listen: { port: Number(process.env['POOL_PORT']) },
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
