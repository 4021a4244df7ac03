import 'reflect-metadata';
import { type DynamicModule, type INestApplication, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { type ClientPoolOptions, NpwsModule } from 'nestjs-npws';
import { Balancer } from './balancer.js';
import { FrontController } from './front.controller.js';
import { QuietLogger } from '../parts/quiet-logger.js';
import type { ServerName } from './server-process.js';

/** Where the servers listen, as 'host:port', and who vouches for them (PEM). */
export interface Servers {
  readonly addresses: Readonly<Record<ServerName, string>>;
  readonly ca: string;
}

/** The front app: a client pool for each server. */
@Module({ controllers: [FrontController], providers: [Balancer] })
export class FrontModule {
  static to({ addresses, ca }: Servers): DynamicModule {
    const client = (address: string): ClientPoolOptions => ({
      address,
      tls: { ca },
      minCapacity: 10,
      maxCapacity: 30,
      minInterval: 100,
      maxInterval: 1_000,
      maxBackoff: 500,
      reserveControl: true,
    });
    return {
      module: FrontModule,
      imports: [
        NpwsModule.forRoot({ name: 'a', client: client(addresses.a) }),
        NpwsModule.forRoot({ name: 'b', client: client(addresses.b) }),
        NpwsModule.forRoot({ name: 'c', client: client(addresses.c) }),
      ],
    };
  }
}

/** Starts the front app on a port of this machine; 0 takes a free one. */
export async function startFront(servers: Servers, port: number): Promise<INestApplication> {
  const app = await NestFactory.create(FrontModule.to(servers), {
    logger: new QuietLogger({ prefix: 'front' }),
  });
  await app.listen(port, '127.0.0.1');
  return app;
}
