import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import type { ClientPool, PoolConnection, ServerPool } from 'nestjs-npws';
import { resolveOptions } from '../../lib/core/options.js';
import { buildClientPool, buildServerPool } from '../../lib/create-pools.js';
import type { Depth } from './depth.js';
import { MemoryLane, SHARED, turn } from './memory-lane.js';
import { MemorySocket } from './memory-socket.js';
import type { Side } from './script.js';

/** What a client pool waits for by itself: its next round, and the answer to what it dials meanwhile. */
const OWN_TIMERS = 2;

/** A server pool whose clients come out of memory. */
export class ServerLane extends MemoryLane {
  readonly #listener: Server = createServer();
  protected override readonly pool: ServerPool<PoolConnection>;

  constructor(side: Side, depth: Depth) {
    super(side, depth);
    const { server } = resolveOptions({
      server: { ...SHARED, listener: this.#listener, protocol: side.protocol, maxCapacity: 1 },
    });
    if (!server) throw new Error('no server options');
    this.pool = buildServerPool('fuzz', server, { clock: this.clock });
  }

  override async start(): Promise<void> {
    this.#listener.listen(0, '127.0.0.1');
    await once(this.#listener, 'listening');
    await this.pool.start();
  }

  protected override next(): Promise<MemorySocket> {
    const socket = new MemorySocket();
    this.#listener.emit('connection', socket);
    return Promise.resolve(socket);
  }

  protected override leftBehind(): string[] {
    const { pending } = this.clock;
    return pending > 0 ? [`left behind: ${pending} timers`] : [];
  }
}

/** A client pool whose server comes out of memory. */
export class ClientLane extends MemoryLane {
  #dials: MemorySocket[] = [];
  protected override readonly pool: ClientPool<PoolConnection>;

  constructor(side: Side, depth: Depth) {
    super(side, depth);
    const { client } = resolveOptions({
      client: {
        ...SHARED, address: 'memory:1', tlsMode: 'none', protocol: side.protocol,
        dialTimeout: 5_000, minInterval: 5_000, maxInterval: 5_000, maxBackoff: 5_000,
        // A link that is given back finds room beside one that is dialled.
        maxCapacity: side.protocol === 2 ? 3 : 1, maxConcurrentDials: 1,
      },
    });
    if (!client) throw new Error('no client options');
    this.pool = buildClientPool('fuzz', client, {
      clock: this.clock,
      connect: (_, connected) => {
        const socket = new MemorySocket();
        process.nextTick(connected);
        this.#dials.push(socket);
        return socket.asSocket();
      },
    });
  } // prettier-ignore

  override async start(): Promise<void> {
    await this.pool.start();
  }

  /** Waits for the pool to dial, as long as its longest pause. */
  protected override async next(): Promise<MemorySocket> {
    for (let waited = 0; waited < 100; waited++) {
      this.#dials = this.#dials.filter((socket) => !socket.destroyed);
      const socket = this.#dials.shift();
      if (socket?.output.includes('\r\n\r\n')) return socket;
      if (socket) this.#dials.unshift(socket);
      else this.clock.advance(500);
      await turn();
    }
    throw new Error('the client pool dials no more');
  }

  protected override leftBehind(): string[] {
    const { pending } = this.clock;
    return pending > OWN_TIMERS ? [`left behind: ${pending - OWN_TIMERS} timers`] : [];
  }
}
