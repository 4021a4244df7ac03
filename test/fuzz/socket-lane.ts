import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import {
  type ClientPool,
  createClientPool,
  createServerPool,
  type PoolConnection,
  type ServerPool,
} from 'nestjs-npws';
import { bytesOf } from '../support/raw-bytes.js';
import { answered } from './memory-lane.js';
import { healthyScript, MAX_PAYLOAD, type Role, type Script, segmentsOf } from './script.js';
import { blankSeen, follow, judge, type Seen } from './verdict.js'; // prettier-ignore

/** How long anything may take to come out as it should, in milliseconds: far more than a loaded machine needs. */
const DEADLINE = 10_000;

/** Shared by all pools. The deadlines are short, as hostile peers sit them out. */
const SHARED = {
  protocol: 1,
  maxCapacity: 2,
  maxPayload: MAX_PAYLOAD,
  claimTimeout: 500,
  drainTimeout: 0,
} as const;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** The hostile end of a TCP connection. */
class Peer {
  readonly #parts: Buffer[] = [];
  #wake: () => void = () => undefined;

  constructor(readonly socket: Socket) {
    socket.setNoDelay();
    socket.on('error', () => undefined);
    socket.on('data', (bytes: Buffer) => {
      this.#parts.push(bytes);
      this.#wake();
    });
    socket.on('close', () => {
      this.#wake();
    });
  }

  get output(): Buffer {
    return Buffer.concat(this.#parts);
  }

  async head(): Promise<void> {
    while (!this.output.includes('\r\n\r\n') && !this.socket.closed) {
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}

/** A real pool on real sockets and the real clock, played one script after the other. */
export abstract class SocketLane {
  protected abstract readonly pool: ClientPool<PoolConnection> | ServerPool<PoolConnection>;
  abstract readonly role: Role;
  current: Script | null = null;

  abstract start(): Promise<void>;
  protected abstract next(): Promise<Peer>;
  /** Whether this is the name that the pool gives to the peer. */
  protected abstract isPeer(peer: Peer, name: string): boolean;
  abstract close(): Promise<void>;

  checkHealth(): Promise<string[]> {
    return this.play(healthyScript(this.role));
  }

  async play(script: Script): Promise<string[]> {
    this.current = script;
    const peer = await this.next();
    const { socket } = peer;
    const seen = blankSeen(answered(script.bytes, peer.output));
    const onConnect = ({ id, peer: name }: { id: string; peer: string }): void => {
      if (!this.isPeer(peer, name)) return;
      seen.id = id;
      if (script.isDeaf) socket.pause();
      if (script.takeAfter !== null) this.#take(script, seen);
    };
    let isLate = false;
    const onDialError = ({ message }: Error): void => {
      isLate ||= seen.id === null && message.includes('timed out');
    };
    this.pool.on('connect', onConnect).on('dialError', onDialError);
    for (const segment of segmentsOf(seen.sent, script.cuts)) {
      if (socket.writable) socket.write(segment);
      await pause(0);
    }
    if (script.ending === 'fin') socket.end();
    if (script.ending === 'reset') socket.resetAndDestroy();
    let problems: string[] = [];
    const settled = (): boolean => {
      seen.output = peer.output;
      // A dial that had waited too long for its script tells nothing.
      problems = isLate ? [] : judge(script, seen, false);
      return problems.length === 0;
    };
    const since = performance.now();
    while (!settled() && performance.now() - since < DEADLINE) await pause(1);
    this.pool.off('connect', onConnect).off('dialError', onDialError);
    return [...problems, ...(await this.#leaveNothing(socket, seen))];
  }

  #take(script: Script, seen: Seen): void {
    this.pool.outgoingGet(seen.id ?? '', 0).then(
      (connection) => {
        follow(seen, connection);
        seen.written = bytesOf(script.writes, script.index % 251);
        if (script.writes > 0) connection.write(seen.written);
      },
      () => (seen.missedAt = 0),
    );
  }

  async #leaveNothing(socket: Socket, seen: Seen): Promise<string[]> {
    seen.connection?.destroy();
    socket.destroy();
    this.pool.flush();
    const since = performance.now();
    while (performance.now() - since < DEADLINE) {
      const { active, used, owed } = this.pool.stats();
      if (active + used + owed === 0 && (seen.connection?.closed ?? true)) return [];
      await pause(1);
    }
    const { active, used, owed } = this.pool.stats();
    return [`left behind after ${DEADLINE} ms: ${active} active, ${used} used, ${owed} owed`];
  }
}

export class ServerSocketLane extends SocketLane {
  readonly role = 'server';
  protected override readonly pool = createServerPool({ ...SHARED, listen: { host: '127.0.0.1', port: 0 }, handshakeTimeout: 500 });

  override start(): Promise<void> {
    return this.pool.start();
  }

  protected override async next(): Promise<Peer> {
    const socket = connect(this.pool.address()?.port ?? 0, '127.0.0.1');
    await once(socket, 'connect');
    return new Peer(socket);
  }

  protected override isPeer({ socket }: Peer, name: string): boolean {
    return name.endsWith(`:${socket.localPort ?? 0}`);
  }

  override close(): Promise<void> {
    return this.pool.close();
  }
} // prettier-ignore

export class ClientSocketLane extends SocketLane {
  readonly role = 'client';
  readonly #dials: Peer[] = [];
  readonly #server: Server = createServer((socket) => {
    this.#dials.push(new Peer(socket));
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
    this.#pool = createClientPool({ ...SHARED, maxCapacity: 1, address: `127.0.0.1:${port}`, tlsMode: 'none', dialTimeout: 2_000, minInterval: 1, maxInterval: 1, maxBackoff: 1 });
    await this.#pool.start();
  }

  /** The next dial that still waits for an answer. */
  protected override async next(): Promise<Peer> {
    for (const since = performance.now(); performance.now() - since < DEADLINE; ) {
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
} // prettier-ignore
