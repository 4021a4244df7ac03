import 'reflect-metadata';
import { type INestApplication, type LoggerService, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { WsAdapter } from '@nestjs/platform-ws';
import { NpwsModule } from 'nestjs-npws';
import { Bot } from './bot.js';
import { ChatGateway } from './chat.gateway.js';
import { PageController } from './page.controller.js';

@Module({
  imports: [
    NpwsModule.forRoot({
      // No port of its own: clients dial the path, browsers the chat's.
      server: { mount: { path: '/npws' }, maxCapacity: 20, reserveControl: true },
    }),
  ],
  controllers: [PageController],
  providers: [ChatGateway, Bot],
})
class AppModule {}

/** Starts the chat, its page and the server pool, all on one port; 0 takes a free one. */
export async function startApp(port: number, logger: LoggerService): Promise<INestApplication> {
  const app = await NestFactory.create(AppModule, {
    // Browsers keep connections that nothing was asked over: Node would wait for them at its end.
    forceCloseConnections: true,
    logger,
  });
  // For the chat; the pool needs no adapter.
  app.useWebSocketAdapter(new WsAdapter(app));
  await app.listen(port, '127.0.0.1');
  return app;
}
