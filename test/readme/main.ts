// #region main
import type { INestApplication, Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';

export async function bootstrap(module: Type, port: number): Promise<INestApplication> {
  const app = await NestFactory.create(module);
  // Without this a SIGTERM kills streams in use instead of draining the pools.
  app.enableShutdownHooks();
  await app.listen(port);
  return app;
}
// #endregion
