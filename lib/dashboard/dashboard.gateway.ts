import type { IncomingMessage } from 'node:http';
import { Inject, type OnModuleInit, type Type } from '@nestjs/common';
import {
  type OnGatewayConnection,
  type OnGatewayDisconnect,
  type OnGatewayInit,
  WebSocketGateway,
} from '@nestjs/websockets';
import type { Subscription } from 'rxjs';
import { Dashboard } from './dashboard.js';

/** A browser that has so many bytes to catch up on is left out until it has. */
const MAX_BACKLOG = 1024 * 1024;

/** What the gateway needs of a WebSocket of WsAdapter. */
interface Browser {
  readonly bufferedAmount: number;
  send(text: string): void;
}

/** What `ws` asks before an upgrade. */
type Verify = (info: { req: IncomingMessage }, answer: (isLetIn: boolean, code?: number) => void) => void;

/** Makes the gateway that streams to a dashboard's page at `path`: a class for each, as Nest tells gateways by them. */
export function createGateway(path: string): Type {
  // Nest reads it when it makes the server, which is after the instance.
  const options: { path: string; maxPayload: number; verifyClient?: Verify } = { path, maxPayload: 1_024 };

  @WebSocketGateway(options)
  class DashboardGateway
    implements OnGatewayInit, OnGatewayConnection<Browser>, OnGatewayDisconnect<Browser>, OnModuleInit
  {
    readonly #subscriptions = new Map<Browser, Subscription>();
    #server: unknown;

    constructor(@Inject(Dashboard) private readonly dashboard: Dashboard) {
      options.verifyClient = ({ req }, answer) => {
        void dashboard.letsIn(req).then((isLetIn) => {
          answer(isLetIn, 403);
        });
      };
    }

    afterInit(server: unknown): void {
      this.#server = server;
    }

    onModuleInit(): void {
      const { handleUpgrade } = (this.#server ?? {}) as { handleUpgrade?: unknown };
      if (typeof handleUpgrade === 'function') return;
      throw new Error(
        'NpwsDashboardModule needs the WebSocket adapter of @nestjs/platform-ws: call app.useWebSocketAdapter(new WsAdapter(app)) before the application is initialised',
      );
    }

    handleConnection(browser: Browser): void {
      const subscription = this.dashboard.frames().subscribe((frame) => {
        if (browser.bufferedAmount <= MAX_BACKLOG) browser.send(frame);
      });
      this.#subscriptions.set(browser, subscription);
    }

    handleDisconnect(browser: Browser): void {
      this.#subscriptions.get(browser)?.unsubscribe();
      this.#subscriptions.delete(browser);
    }
  }
  return DashboardGateway;
}
