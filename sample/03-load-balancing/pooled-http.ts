import type { Server } from 'node:http';
import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { CONTROL_ID, type PoolConnection, ServerPoolService } from 'nestjs-npws';

/** How long to look for a connection that the front has named, in milliseconds. */
const PATIENCE = 5_000;

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
    void this.#serve(server);
  }

  onModuleDestroy(): void {
    this.#stopped.abort();
  }

  async #serve(server: Server): Promise<void> {
    const { signal } = this.#stopped;
    for (;;) {
      let control: PoolConnection;
      try {
        control = await this.pool.outgoingGet(CONTROL_ID, { timeout: Infinity, signal });
      } catch {
        return; // shutting down
      }
      control.allowHalfOpen = false; // when the front ends it, it is over
      const hangUp = (): void => void control.end();
      signal.addEventListener('abort', hangUp);
      try {
        for await (const id of idsFrom(control)) {
          this.pool.outgoingGet(id, PATIENCE).then(
            (connection) => server.emit('connection', connection),
            () => undefined, // the front has given it up
          );
        }
      } catch {
        // Cut: the next one tells whether the front is there.
      }
      signal.removeEventListener('abort', hangUp);
    }
  }
}

/** The IDs that a control connection carries: 4 bytes each, one behind the other. */
async function* idsFrom(control: PoolConnection): AsyncGenerator<string> {
  let bytes = Buffer.alloc(0);
  for await (const chunk of control) {
    bytes = Buffer.concat([bytes, chunk]);
    for (; bytes.length >= 4; bytes = bytes.subarray(4)) yield bytes.toString('hex', 0, 4);
  }
}
