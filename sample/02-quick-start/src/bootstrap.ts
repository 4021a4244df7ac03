import 'reflect-metadata';
import type { INestApplication, LoggerService } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { NestFactory } from '@nestjs/core';
import { WsAdapter } from '@nestjs/platform-ws';
import { ClientPoolService } from 'nestjs-npws';
import { AppModule } from './app.module.js';
import type { Environment } from './environment.js';

/** Starts the application and has it listen on loopback. */
export async function bootstrap(logger?: LoggerService): Promise<INestApplication> {
  const app = await NestFactory.create(AppModule, { abortOnError: false, ...(logger ? { logger } : {}) });
  app.useWebSocketAdapter(new WsAdapter(app));
  // Without this a SIGTERM or Ctrl-C cuts streams in use instead of draining the pools. Then the process exits with 0.
  app.enableShutdownHooks([], { useProcessExit: true });
  await app.init();
  // Only because both ends are in one application here; elsewhere a client pool starts by itself.
  await app.get(ClientPoolService).start();
  const config = app.get<ConfigService<Environment, true>>(ConfigService);
  await app.listen(config.get('PORT', { infer: true }), '127.0.0.1');
  return app;
}
