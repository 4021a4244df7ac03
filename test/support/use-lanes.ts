import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import type { ClientPoolOptions, PoolConnection, ServerPoolSettings } from 'nestjs-npws';
import { createMemoryPools, FakeClock, MemoryNetwork } from 'nestjs-npws/testing';
import type { PoolRole } from '../../lib/core/errors.js';
import { resolveOptions } from '../../lib/core/options.js';
import type { Address } from '../../lib/core/pool.js';
import { buildClientPool, buildServerPool } from '../../lib/create-pools.js';
import type { MemorySocket } from '../../lib/testing/memory-socket.js';
import type { KeyPair } from './certificates.js';
import { CountingClock } from './counting-clock.js';
import { type Pair, until } from './pair.js';
import { reset } from './reset.js';

/** What both pools of a lane are made with. */
export interface LaneOptions {
  readonly client: Partial<ClientPoolOptions>;
  readonly server: ServerPoolSettings;
}

/** Two real pools, what joins them, and their time. */
export interface Lane extends AsyncDisposable {
  readonly pools: Pair;
  readonly clock: { readonly pending: number };
  /** How long at most what is written out takes to the other end; null when nobody can tell. */
  readonly turnsOfTravel: number | null;
  /** Whether nothing comes by itself any more, when nothing has for so many turns of the loop and milliseconds. */
  isStuck(turns: number, ms: number): boolean;
  /** Lets the time of both pools pass. */
  pass(ms: number): Promise<void>;
  /** Breaks the links whose clients have these ports, or all. Returns which were open. */
  break(ports?: readonly number[]): number[];
  /** The port that the client of a connection's link has; undefined when its socket is gone. */
  portOf(side: PoolRole, connection: PoolConnection): number | undefined;
  /** The socket beneath a connection, where it can be watched. */
  socketOf(side: PoolRole, connection: PoolConnection): WatchedSocket | undefined;
}

/** A socket whose settings are noted down, as it would tell nobody. */
export class WatchedSocket {
  hasDelay = false;
  isKeptAlive = true;
  holdsProcess = true;
  /** How often a setting was changed. */
  changes = 0;

  constructor(readonly socket: Socket) {
    const [setNoDelay, setKeepAlive] = [socket.setNoDelay.bind(socket), socket.setKeepAlive.bind(socket)];
    const [ref, unref] = [socket.ref.bind(socket), socket.unref.bind(socket)];
    socket.setNoDelay = (isOn = true) => {
      this.#change({ hasDelay: !isOn });
      return setNoDelay(isOn);
    };
    socket.setKeepAlive = (isOn = false, delay) => {
      this.#change({ isKeptAlive: isOn });
      return setKeepAlive(isOn, delay);
    };
    socket.ref = () => {
      this.#change({ holdsProcess: true });
      return ref();
    };
    socket.unref = () => {
      this.#change({ holdsProcess: false });
      return unref();
    };
  }

  get isAsNew(): boolean {
    return !this.hasDelay && this.isKeptAlive && this.holdsProcess;
  }

  #change(settings: Partial<Pick<WatchedSocket, 'hasDelay' | 'isKeptAlive' | 'holdsProcess'>>): void {
    Object.assign(this, settings);
    this.changes++;
  }
}

/** The sockets of both ends, by the port of the client. */
class Watch {
  readonly #sockets = { client: new Map<number, WatchedSocket>(), server: new Map<number, WatchedSocket>() };

  add(side: PoolRole, port: number | undefined, socket: Socket): void {
    this.#sockets[side].set(port ?? 0, new WatchedSocket(socket));
  }

  of(side: PoolRole, port: number): WatchedSocket | undefined {
    return this.#sockets[side].get(port);
  }

  /** Those of one end that are open. */
  open(side: PoolRole): [number, Socket][] {
    const all = [...this.#sockets[side]].map(([port, { socket }]) => [port, socket] as [number, Socket]);
    return all.filter(([, socket]) => !socket.destroyed);
  }
}

class WatchedNetwork extends MemoryNetwork {
  readonly watch = new Watch();

  override join(): Server | null {
    const listener = super.join();
    listener?.on('connection', (socket: Socket) => {
      this.watch.add('server', socket.remotePort, socket);
    });
    return listener;
  }

  override connect(address: Address, connected: () => void): Socket {
    const socket = super.connect(address, connected);
    this.watch.add('client', socket.localPort, socket);
    return socket;
  }
}

/** What the client's end calls local is remote for the server's. */
function portOfClient(side: PoolRole, { localPort, remotePort }: PoolConnection): number | undefined {
  return side === 'client' ? localPort : remotePort;
}

const TURNS_UNTIL_STUCK = 10;

/** Sockets in memory, on a clock that is moved by hand. */
export async function openMemoryLane({ client, server }: LaneOptions): Promise<Lane> {
  const [clock, network] = [new FakeClock(), new WatchedNetwork()];
  const pools = await createMemoryPools({ clock, network, client, server });
  return {
    pools,
    clock,
    turnsOfTravel: 2,
    isStuck: (turns) => turns > TURNS_UNTIL_STUCK,
    pass: (ms) => {
      clock.advance(ms);
      return Promise.resolve();
    },
    break: (ports) => {
      // A server's end may only be broken once it is heard.
      const open = network.watch.open('server').filter(([port]) => ports?.includes(port) ?? true);
      for (const [, socket] of open) (socket as unknown as MemorySocket).reset();
      return open.map(([port]) => port);
    },
    portOf: portOfClient,
    socketOf: (side, connection) => network.watch.of(side, portOfClient(side, connection) ?? 0),
    [Symbol.asyncDispose]: () => pools.close(),
  };
}

/** A TCP relay that can break single links, known by the ports of their clients. */
class LinkRelay {
  readonly #links = new Map<number, readonly [near: Socket, far: Socket]>();
  /** The client's port, by the one that the server sees. */
  readonly #ports = new Map<number, number>();
  readonly #server: Server;
  #broken = 0;

  constructor(target: number) {
    this.#server = createServer({ allowHalfOpen: true }, (near) => {
      const { remotePort: port = 0 } = near;
      const far = connect({ port: target, host: '127.0.0.1', allowHalfOpen: true });
      far.once('connect', () => this.#ports.set(far.localPort ?? 0, port));
      this.#links.set(port, [near, far]);
      for (const [from, to] of [[near, far] as const, [far, near] as const]) {
        from.pipe(to);
        from.on('error', () => undefined);
        from.on('close', () => {
          this.#links.delete(port);
          to.destroySoon();
        });
      }
    });
  }

  async listen(): Promise<number> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return (this.#server.address() as AddressInfo).port;
  }

  portOf(seen: number): number | undefined {
    return this.#ports.get(seen);
  }

  /** Breaks links, some with a reset, some with an end to both sides, and tells which were open. */
  break(ports: readonly number[] = [...this.#links.keys()]): number[] {
    const open = ports.filter((port) => this.#links.has(port));
    for (const socket of open.flatMap((port) => this.#links.get(port) ?? [])) {
      if (this.#broken++ & 2) socket.destroy();
      else reset(socket);
    }
    return open;
  }

  close(): void {
    this.#server.close();
    this.break();
  }
}

const MS_UNTIL_STUCK = 25;

/** Sockets on loopback, with TLS if there is a certificate, through a relay. */
export async function openSocketLane(options: LaneOptions, certificate: KeyPair | null): Promise<Lane> {
  const [clock, watch, listener] = [new CountingClock(), new Watch(), createServer()];
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const relay = new LinkRelay((listener.address() as AddressInfo).port);
  const address = `127.0.0.1:${await relay.listen()}`;
  const { client, server } = resolveOptions({
    // A machine that is busy dials slowly.
    client: {
      address,
      tlsMode: certificate ? 'self-signed' : 'none',
      ...options.client,
      dialTimeout: 30_000,
    },
    server: { listener, ...(certificate ? { tls: certificate } : {}), ...options.server },
  });
  if (!client || !server) throw new Error('no options');
  const close = async (): Promise<void> => {
    await Promise.all([pools.client.close(), pools.server.close()]);
    relay.close();
  };
  const pools: Pair = {
    server: buildServerPool('uses', server, { clock }),
    client: buildClientPool('uses', client, {
      clock,
      connect: (address, connected) => {
        const socket = connect(address, connected);
        socket.once('connect', () => {
          watch.add('client', socket.localPort, socket);
        });
        return socket;
      },
    }),
    [Symbol.asyncDispose]: close,
  };
  // TLS has sockets of its own on top.
  if (!certificate) {
    listener.on('connection', (socket) => {
      watch.add('server', socket.remotePort, socket);
    });
  }
  await pools.server.start();
  await pools.client.start();
  await until(pools.client, () => pools.client.active() >= client.minCapacity);
  return {
    pools,
    clock,
    turnsOfTravel: null,
    isStuck: (_, ms) => ms > MS_UNTIL_STUCK,
    pass: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    break: (ports) => relay.break(ports),
    portOf: (side, { localPort, remotePort }) =>
      side === 'client' ? localPort : relay.portOf(remotePort ?? 0),
    socketOf: (side, { localPort, remotePort }) =>
      watch.of(side, (side === 'client' ? localPort : remotePort) ?? 0),
    [Symbol.asyncDispose]: close,
  };
}
