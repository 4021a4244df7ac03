import { connect } from 'node:net';
import {
  Inject,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
  type OnModuleDestroy,
} from '@nestjs/common';
import { ClientPoolService } from 'nestjs-npws';
import { namedIds } from '../parts/control-line.js';
import { numberFrom } from './settings.js';
import { splice } from './splice.js';

/** How long the edge looks for a connection that it was told of, in milliseconds. */
const PATIENCE = 10_000;

/**
 * The end beside the private service. It hears the IDs of connections that carry a visitor, takes each and joins it
 * to the service.
 */
@Injectable()
export class TunnelExit implements OnApplicationBootstrap, OnModuleDestroy {
  readonly #logger = new Logger('Tunnel');
  readonly #stopped = new AbortController();
  /** The IDs being served: a new control connection may repeat them. */
  readonly #serving = new Set<string>();

  constructor(@Inject(ClientPoolService) private readonly pool: ClientPoolService) {}

  onApplicationBootstrap(): void {
    void this.#followControl();
  }

  onModuleDestroy(): void {
    this.#stopped.abort();
  }

  async #followControl(): Promise<void> {
    const ids = namedIds(this.pool, this.#stopped.signal, (isUp) => {
      if (isUp) this.#logger.log('the control connection is up');
      else this.#logger.warn('the control connection is gone: waiting for the next');
    });
    for await (const id of ids) void this.#serve(id);
  }

  async #serve(id: string): Promise<void> {
    if (this.#serving.has(id)) return;
    this.#serving.add(id);
    try {
      const connection = await this.pool.outgoingGet(id, PATIENCE);
      connection.once('close', () => this.#serving.delete(id));
      const service = connect({
        port: numberFrom('PRIVATE_PORT', 3000),
        host: '127.0.0.1',
        noDelay: true,
        allowHalfOpen: true,
      });
      splice(service, connection);
    } catch (error) {
      this.#serving.delete(id);
      this.#logger.warn(`a visitor is lost: ${(error as Error).message}`);
    }
  }
}
