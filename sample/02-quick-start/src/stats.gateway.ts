import { Inject } from '@nestjs/common';
import { type OnGatewayConnection, type OnGatewayDisconnect, WebSocketGateway } from '@nestjs/websockets';
import { ClientPoolService, type PoolStats, ServerPoolService } from 'nestjs-npws';
import { merge, type Subscription } from 'rxjs';
import type { WebSocket } from 'ws';

/** What a browser is sent: the numbers of one pool. */
export interface StatsMessage {
  readonly event: 'stats';
  readonly data: PoolStats;
}

/** A browser that has this many bytes to catch up on is left out until it has. */
const MAX_BACKLOG = 64 * 1024;

/** Streams the numbers of both pools to every browser that connects to `/live`: at once, then after each change. */
@WebSocketGateway({ path: '/live' })
export class StatsGateway implements OnGatewayConnection<WebSocket>, OnGatewayDisconnect<WebSocket> {
  readonly #subscriptions = new Map<WebSocket, Subscription>();

  constructor(
    @Inject(ServerPoolService) private readonly serverPool: ServerPoolService,
    @Inject(ClientPoolService) private readonly clientPool: ClientPoolService,
  ) {}

  handleConnection(browser: WebSocket): void {
    const subscription = merge(this.clientPool.stats$, this.serverPool.stats$).subscribe((data) => {
      if (browser.bufferedAmount > MAX_BACKLOG) return;
      browser.send(JSON.stringify({ event: 'stats', data } satisfies StatsMessage));
    });
    this.#subscriptions.set(browser, subscription);
  }

  handleDisconnect(browser: WebSocket): void {
    this.#subscriptions.get(browser)?.unsubscribe();
    this.#subscriptions.delete(browser);
  }
}
