// #region main
// src/main.ts
import type { INestApplication, Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ClientAppModule } from './client-app.js';
import { ServerAppModule } from './server-app.js';

export async function bootstrap(module: Type, port: number): Promise<INestApplication> {
  const app = await NestFactory.create(module);
  // Without this a SIGTERM kills streams in use instead of draining the pools.
  app.enableShutdownHooks();
  await app.listen(port);
  return app;
}

if (process.argv[2] === 'server') void bootstrap(ServerAppModule, 3000);
if (process.argv[2] === 'client') void bootstrap(ClientAppModule, 3001);
// #endregion
