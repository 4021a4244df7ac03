import type { IncomingMessage, ServerResponse } from 'node:http';
import { Controller, Get, Inject, Req, Res } from '@nestjs/common';
import { Balancer } from './balancer.js';
import { leastUsed, roundRobin, type Strategy } from './strategies.js';

/** What `GET /servers` tells of each server. */
export interface ServerState {
  readonly server: string;
  readonly isReady: boolean;
  /** Connections that wait to be used. */
  readonly idle: number;
  readonly load: number;
  /** How often a connection came back from a request and served another, without a hand-shake. */
  readonly reused: number;
  /** Requests that had to be repeated elsewhere, and failed dials. */
  readonly errors: number;
}

/** Passes `GET /round-robin/...` and `GET /least-used/...` on to a server. */
@Controller()
export class FrontController {
  readonly #roundRobin = roundRobin();
  readonly #leastUsed = leastUsed();

  constructor(@Inject(Balancer) private readonly balancer: Balancer) {}

  @Get('round-robin/*path')
  roundRobin(@Req() request: IncomingMessage, @Res() response: ServerResponse): Promise<void> {
    return this.#pass(request, response, this.#roundRobin);
  }

  @Get('least-used/*path')
  leastUsed(@Req() request: IncomingMessage, @Res() response: ServerResponse): Promise<void> {
    return this.#pass(request, response, this.#leastUsed);
  }

  @Get('servers')
  servers(): ServerState[] {
    return this.balancer.backEnds.map(({ name, isReady, load, pool }) => ({
      server: name,
      isReady,
      idle: pool.active(),
      load,
      reused: pool.stats()?.reused ?? 0,
      errors: pool.errorCount(),
    }));
  }

  async #pass(request: IncomingMessage, response: ServerResponse, strategy: Strategy): Promise<void> {
    const path = (request.url ?? '').replace(/^\/[^/]+/, '');
    const { status, type = 'text/plain', body, server, tries } = await this.balancer.get(path, strategy);
    response.writeHead(status, { 'Content-Type': type, 'X-Server': server, 'X-Tries': tries }).end(body);
  }
}
