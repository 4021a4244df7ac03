import type { Server } from 'node:http';
import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { ServerPoolService } from 'nestjs-npws';
import { answerCalls } from '../parts/control-line.js';

/** Gives the application's HTTP server the connections that the front names over the control connection. */
@Injectable()
export class PooledHttp implements OnApplicationBootstrap, OnModuleDestroy {
  readonly #stopped = new AbortController();

  constructor(
    @Inject(ServerPoolService) private readonly pool: ServerPoolService,
    @Inject(HttpAdapterHost) private readonly host: HttpAdapterHost,
  ) {}

  onApplicationBootstrap(): void {
    const server = this.host.httpAdapter.getHttpServer() as Server;
    // The front ends each connection when it has read the answer.
    server.keepAliveTimeout = 0;
    void answerCalls(this.pool, this.#stopped.signal, (connection) => server.emit('connection', connection));
  }

  onModuleDestroy(): void {
    this.#stopped.abort();
  }
}
