import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import {
  Inject,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
  type OnModuleDestroy,
} from '@nestjs/common';
import { CONTROL_ID, type PoolConnection, ServerPoolService } from 'nestjs-npws';
import { splice } from './splice.js';
import { numberFrom } from './settings.js';

/** How long a visitor may wait for the way in, in milliseconds. */
const PATIENCE = 10_000;

/**
 * The public end. It takes an idle connection for each visitor, tells the edge its ID over the control connection
 * and carries the bytes.
 */
@Injectable()
export class TunnelEntrance implements OnApplicationBootstrap, OnModuleDestroy {
  readonly #logger = new Logger('Tunnel');
  readonly #stopped = new AbortController();
  readonly #server: Server;
  /** Connections that the edge was told of and on which nothing came back yet. */
  readonly #unanswered = new Set<PoolConnection>();
  #control: Promise<PoolConnection> | undefined;

  constructor(@Inject(ServerPoolService) private readonly pool: ServerPoolService) {
    // A visitor may end its side first and still wants the answer.
    this.#server = createServer(
      { allowHalfOpen: true, noDelay: true },
      (visitor) => void this.#welcome(visitor),
    );
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async onApplicationBootstrap(): Promise<void> {
    this.#awaitControl();
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(numberFrom('VISITOR_PORT', 8080), '127.0.0.1', resolve);
    });
  }

  /** No more visitors. Those inside may finish: the pool waits for them. */
  onModuleDestroy(): void {
    this.#server.close();
    this.#stopped.abort();
    this.#control?.then(
      (control) => control.end(),
      () => undefined,
    );
  }

  /** Has `#control` be the control connection of the edge, now and whenever it comes back. */
  #awaitControl(): void {
    this.#control = this.pool.outgoingGet(CONTROL_ID, { timeout: Infinity, signal: this.#stopped.signal });
    this.#control.then(
      (control) => {
        this.#logger.log(
          `the edge at ${control.remoteAddress ?? '?'} is here and speaks protocol ${control.protocol}`,
        );
        // The edge says nothing here; reading is what shows its end, which is ours too.
        control.allowHalfOpen = false;
        control.resume();
        // What the last one carried may be lost.
        for (const connection of this.#unanswered) announce(connection, control);
        control.once('close', () => {
          if (this.#stopped.signal.aborted) return;
          this.#logger.warn('the edge is gone: visitors wait for it to come back');
          this.#awaitControl();
        });
      },
      () => undefined,
    );
  }

  async #welcome(visitor: Socket): Promise<void> {
    visitor.on('error', () => visitor.destroy());
    visitor.setTimeout(PATIENCE, () => visitor.destroy());
    try {
      const control = await this.#control;
      if (!control || visitor.destroyed) return;
      const connection = await this.pool.incomingGet(PATIENCE);
      visitor.setTimeout(0);
      announce(connection, control);
      this.#unanswered.add(connection);
      for (const event of ['data', 'close'])
        connection.once(event, () => this.#unanswered.delete(connection));
      splice(visitor, connection);
    } catch (error) {
      this.#logger.warn(`no way in for a visitor: ${(error as Error).message}`);
      visitor.resetAndDestroy();
    }
  }
}

/** The control connection carries the 4 bytes of an ID for each connection that a visitor was given. */
function announce(connection: PoolConnection, control: PoolConnection): void {
  control.write(Buffer.from(connection.id, 'hex'));
}
