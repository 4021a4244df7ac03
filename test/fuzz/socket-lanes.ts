import { once } from 'node:events';
import { connect, createServer, type Server } from 'node:net';
import {
  type ClientPool,
  createClientPool,
  createServerPool,
  type PoolConnection,
  type ServerPool,
} from 'nestjs-npws';
import { DEADLINE, pause, sharedBy, SocketLane } from './socket-lane.js';
import { SocketPeer } from './socket-peer.js';

/** A server pool and its clients. */
export class ServerSocketLane extends SocketLane {
  protected override readonly pool: ServerPool<PoolConnection> = createServerPool({
    ...sharedBy(this.side),
    maxCapacity: 2,
    listen: { host: '127.0.0.1', port: 0 },
    handshakeTimeout: 500,
  });

  override start(): Promise<void> {
    return this.pool.start();
  }

  protected override async next(): Promise<SocketPeer> {
    const socket = connect(this.pool.address()?.port ?? 0, '127.0.0.1');
    await once(socket, 'connect');
    return new SocketPeer(socket);
  }

  protected override isPeer({ socket }: SocketPeer, name: string): boolean {
    return name.endsWith(`:${socket.localPort ?? 0}`);
  }

  override close(): Promise<void> {
    return this.pool.close();
  }
}

/** A client pool and its servers. */
export class ClientSocketLane extends SocketLane {
  readonly #dials: SocketPeer[] = [];
  readonly #server: Server = createServer((socket) => {
    this.#dials.push(new SocketPeer(socket));
    this.#wake();
  });
  #wake: () => void = () => undefined;
  #pool: ClientPool<PoolConnection> | undefined;

  protected override get pool(): ClientPool<PoolConnection> {
    if (!this.#pool) throw new Error('not started');
    return this.#pool;
  }

  override async start(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    const { port } = this.#server.address() as { port: number };
    const isTwo = this.side.protocol === 2;
    this.#pool = createClientPool({
      ...sharedBy(this.side), address: `127.0.0.1:${port}`, tlsMode: 'none',
      dialTimeout: isTwo ? 5_000 : 2_000, minInterval: 1, maxInterval: 1, maxBackoff: 1,
      // A link that is given back finds room beside one that is dialled.
      maxCapacity: isTwo ? 3 : 1, maxConcurrentDials: 1,
    });
    await this.#pool.start();
  } // prettier-ignore

  /** The next dial that still waits for an answer. */
  protected override async next(): Promise<SocketPeer> {
    for (const since = performance.now(); performance.now() - since < DEADLINE;) {
      const peer = this.#dials.shift();
      await peer?.head();
      if (peer && !peer.socket.readableEnded && !peer.socket.closed) return peer;
      if (!peer) await Promise.race([pause(1_000), new Promise<void>((resolve) => (this.#wake = resolve))]);
    }
    throw new Error('the client pool dials no more');
  }

  protected override isPeer(): boolean {
    return true;
  }

  override async close(): Promise<void> {
    await this.pool.close();
    for (const { socket } of this.#dials) socket.destroy();
    this.#server.close();
  }
}
