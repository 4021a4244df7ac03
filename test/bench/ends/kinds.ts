import { once } from 'node:events';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect, type ConnectionOptions, createSecureContext, createServer } from 'node:tls';
import { createClientPool, createServerPool } from 'nestjs-npws';
import { createWebSocketStream, WebSocket, WebSocketServer } from 'ws';
import { until } from '../../support/pair.js';
import type { KeyPair } from '../../support/certificates.js';
import { watch } from './watch.js';

// The kinds of connection that a user could choose between, over TLS 1.3, verified.

/** The end that listens. */
export interface ServerEnd {
  readonly port: number;
  /** Resolves when this many connections wait to be taken. */
  holds(count: number): Promise<void>;
  /** Takes the one that has waited longest; there must be one. */
  next(): Promise<Named>;
  close(): Promise<void>;
}

/** The end that dials. */
export interface ClientEnd {
  /** Dials until this many connections are idle. */
  fill(count: number): Promise<void>;
  /** Takes the one that the other end knows by this name. */
  take(id: string): Promise<Duplex>;
  close(): Promise<void>;
}

/** A connection with the name that both ends know it by. */
export interface Named {
  readonly id: string;
  readonly stream: Duplex;
}

/** A way to connect two processes. */
export interface Kind {
  listen(tls: KeyPair, capacity: number, keepAlive?: number): Promise<ServerEnd>;
  dial(port: number, ca: string, capacity: number, keepAlive?: number): ClientEnd;
}

const HOST = '127.0.0.1';

/** How many raw sockets and bare WebSockets dial at once: more are slower. */
const AT_ONCE = 64;

/** This package, with metrics or without. */
const pool = (isWatched: boolean): Kind => ({
  async listen(tls, capacity, keepAlive) {
    const server = createServerPool({
      listen: { host: HOST, port: 0 },
      tls,
      maxCapacity: capacity,
      drainTimeout: 0,
      ...(keepAlive ? { keepAlive } : {}),
    });
    if (isWatched) watch(server);
    await server.start();
    return {
      port: server.address()?.port ?? 0,
      holds: (count) => until(server, () => server.active() >= count),
      async next() {
        const stream = await server.incomingGet(0);
        return { id: stream.id, stream };
      },
      close: () => server.close(),
    };
  },
  dial(port, ca, capacity, keepAlive) {
    const client = createClientPool({
      address: `${HOST}:${port}`,
      tls: { ca },
      minCapacity: capacity,
      maxCapacity: capacity,
      minInterval: 100,
      maxInterval: 100,
      drainTimeout: 0,
      ...(keepAlive ? { keepAlive } : {}),
    });
    if (isWatched) watch(client);
    return {
      async fill(count) {
        await client.start();
        await until(client, () => client.active() >= count);
      },
      take: (id) => client.outgoingGet(id, 0),
      close: () => client.close(),
    };
  },
});

/** Bare TLS sockets: the physical limit. */
const tls = (isResumed: boolean): Kind => ({
  async listen(keyPair, capacity) {
    const server = createServer({ ...keyPair, minVersion: 'TLSv1.3', noDelay: true });
    const waiting = new Waiting();
    server.on('secureConnection', (socket) => {
      socket.on('error', () => undefined);
      waiting.add(String(socket.remotePort), socket);
    });
    server.listen({ host: HOST, port: 0, backlog: capacity });
    await once(server, 'listening');
    return waiting.asServer((server.address() as AddressInfo).port, () => server.close());
  },
  dial(port, ca) {
    const options: ConnectionOptions = {
      host: HOST,
      port,
      secureContext: createSecureContext({ ca }),
      minVersion: 'TLSv1.3',
    };
    let session: Buffer | undefined;
    const connectOne = async (): Promise<Named> => {
      const socket = connect(session ? { ...options, session } : options).setNoDelay();
      socket.on('error', () => undefined);
      await once(socket, 'secureConnect');
      if (isResumed && !session) [session] = (await once(socket, 'session')) as [Buffer];
      return { id: String(socket.localPort), stream: socket };
    };
    return dialler(connectOne, isResumed);
  },
});

/** `ws` as it comes, as a stream, with bufferutil. */
const webSocket: Kind = {
  async listen(keyPair, capacity) {
    const https = createHttpsServer({ ...keyPair, minVersion: 'TLSv1.3' });
    const server = new WebSocketServer({ server: https });
    const waiting = new Waiting();
    server.on('connection', (socket, request) => {
      const id = String(request.socket.remotePort);
      socket.send(id);
      const stream = createWebSocketStream(socket);
      stream.on('error', () => undefined);
      waiting.add(id, stream);
    });
    https.listen({ host: HOST, port: 0, backlog: capacity });
    await once(https, 'listening');
    return waiting.asServer((https.address() as AddressInfo).port, () => {
      https.close();
    });
  },
  dial(port, ca) {
    return dialler(async () => {
      const socket = new WebSocket(`wss://${HOST}:${port}`, { ca });
      const [id] = (await once(socket, 'message')) as [Buffer];
      const stream = createWebSocketStream(socket);
      stream.on('error', () => undefined);
      return { id: id.toString(), stream };
    });
  },
};

export const KINDS = {
  pool: pool(false),
  'pool-watched': pool(true),
  tls: tls(false),
  'tls-resumed': tls(true),
  webSocket,
} as const;

/** Connections that nobody has taken, oldest first. */
class Waiting {
  readonly #streams = new Map<string, Duplex>();
  #changed: (() => void) | undefined;

  add(id: string, stream: Duplex): void {
    this.#streams.set(id, stream);
    this.#changed?.();
  }

  take(id: string): Duplex {
    const stream = this.#streams.get(id);
    if (!stream) throw new Error(`there is no connection ${id}`);
    this.#streams.delete(id);
    return stream;
  }

  get size(): number {
    return this.#streams.size;
  }

  asServer(port: number, close: () => void): ServerEnd {
    return {
      port,
      holds: async (count) => {
        while (this.size < count) await new Promise<void>((resolve) => (this.#changed = resolve));
      },
      next: () => {
        const [id = ''] = this.#streams.keys();
        return Promise.resolve({ id, stream: this.take(id) });
      },
      close: () => {
        close();
        return this.destroyAll();
      },
    };
  }

  async destroyAll(): Promise<void> {
    const streams = [...this.#streams.values()].filter(({ closed }) => !closed);
    const gone = streams.map((stream) => once(stream.destroy(), 'close'));
    this.#streams.clear();
    await Promise.all(gone);
  }
}

/** Dials a number of connections; `isFirstAlone` when the others need what the first one got. */
function dialler(connectOne: () => Promise<Named>, isFirstAlone = false): ClientEnd {
  const idle = new Waiting();
  const add = ({ id, stream }: Named): void => {
    idle.add(id, stream);
  };
  return {
    async fill(count) {
      let missing = count - idle.size;
      if (isFirstAlone && missing-- > 0) add(await connectOne());
      const one = async (): Promise<void> => {
        while (missing-- > 0) add(await connectOne());
      };
      await Promise.all(Array.from({ length: AT_ONCE }, one));
    },
    take: (id) => Promise.resolve(idle.take(id)),
    close: () => idle.destroyAll(),
  };
}
