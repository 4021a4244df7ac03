import { PeerProgram } from '../interop/driver.js';
import { Child, type Handlers, type Measured, type Usage, usageOf } from './child.js';
import type { Credentials } from './credentials.js';
import type { KINDS } from './ends/kinds.js';
import type { WireHandlers } from './ends/wire-end.js';

/** Which way bytes go on a connection: 'up' is client to server. */
export type Way = 'up' | 'down';

/** What is carried over connections that were taken. */
export interface Load {
  /** One connection for each. */
  readonly ways: readonly Way[];
  /** For each connection. */
  readonly bytes: number;
  /** Of one write. */
  readonly size: number;
  /** The CRC-32 of what arrives. */
  readonly sum: number;
}

/** A server and a client of one kind, each in a process of its own. Disposed of, both are gone. */
export interface Pair extends AsyncDisposable {
  readonly ends: readonly Measured[];
  /** Those of its processes that can be profiled. */
  readonly children: Readonly<Record<string, Child<Handlers>>>;
  /** Opens both: the server has room for this many connections. */
  open(capacity: number): Promise<void>;
  /** Dials until this many are idle at both ends. */
  fill(count: number): Promise<void>;
  /**
   * Takes connections, carries a load over them to its end, and checks it where it arrives. The milliseconds from the
   * first write to the last byte read.
   */
  carry(load: Load): Promise<number>;
  /** Closes both. They can be opened again. */
  close(): Promise<void>;
}

/** Both ends in Node. */
export class NodePair implements Pair {
  readonly server = new Child<WireHandlers>('wire-end');
  readonly client = new Child<WireHandlers>('wire-end');
  readonly ends = [this.server, this.client];
  readonly children = { server: this.server, client: this.client };

  constructor(
    private readonly kind: keyof typeof KINDS,
    private readonly credentials: Credentials,
  ) {}

  async open(capacity: number, keepAlive?: number): Promise<void> {
    const { pem } = this.credentials;
    const port = await this.server.ask('listen', this.kind, pem, capacity, keepAlive);
    await this.client.ask('dial', this.kind, port, pem.cert, capacity, keepAlive);
  }

  async fill(count: number): Promise<void> {
    await Promise.all([this.client.ask('fill', count), this.server.ask('holds', count)]);
  }

  /** Takes the same connections at both ends; the microseconds that one took, both ends together. */
  async take(count: number): Promise<number> {
    await this.fill(count);
    const { ids, each } = await this.server.ask('next', count);
    return each + (await this.client.ask('take', ids));
  }

  async carry({ ways, bytes, size, sum }: Load): Promise<number> {
    await this.take(ways.length);
    const carried = this.ends.map((end) => {
      const sends = end === this.client ? 'up' : 'down';
      const jobs = ways.map((way) => (way === sends ? ('send' as const) : ('receive' as const)));
      return end.ask('carry', jobs, bytes, size, sum);
    });
    return span((await Promise.all(carried)).flat());
  }

  async close(): Promise<void> {
    await Promise.all(this.ends.map((end) => end.ask('close')));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return dispose(this.ends);
  }
}

/** Both ends in a Go peer of the interop tests, or in whatever INTEROP_PEER names. */
export class GoPair implements Pair {
  readonly ends: readonly Measured[];
  readonly children = {};
  #pools: readonly [number, number] = [0, 0];

  private constructor(
    private readonly peers: readonly [PeerProgram, PeerProgram],
    private readonly what: 'pool' | 'tls',
    private readonly credentials: Credentials,
  ) {
    this.ends = peers.map((peer) => new GoEnd(peer));
  }

  /** With pools of WebSockets, or with bare TLS connections. */
  static async start(
    what: 'pool' | 'tls',
    credentials: Credentials,
    env: Readonly<Record<string, string>> = {},
  ): Promise<GoPair> {
    return new GoPair(
      [await PeerProgram.start({ env }), await PeerProgram.start({ env })],
      what,
      credentials,
    );
  }

  async open(capacity: number): Promise<void> {
    const [server, client] = this.peers;
    const [serve, dial] = this.what === 'pool' ? ['server', 'client'] : ['rawServer', 'rawClient'];
    const { files } = this.credentials;
    const listening = await server.request<{ pool: number; port: number }>(serve, { capacity, ...files });
    const dialling = { address: `127.0.0.1:${listening.port}`, tls: '1', interval: 1, capacity };
    // It dials at once.
    this.#pools = [listening.pool, (await client.request<{ pool: number }>(dial, dialling)).pool];
  }

  async fill(count: number): Promise<void> {
    const answers = await this.ask<{ active: number }>('untilActive', { atLeast: count, timeout: PATIENCE });
    if (answers.some(({ active }) => active < count)) throw new Error(`less than ${count} connections`);
  }

  async carry({ ways, bytes, size, sum }: Load): Promise<number> {
    await this.fill(ways.length);
    const carried = ways.map(async (way) => {
      const [server, client] = this.peers;
      const [pool, other] = this.#pools;
      const taken = await server.request<Taken>('incomingGet', { pool, timeout: PATIENCE });
      const { connectionId } = taken;
      const same = await client.request<Taken>('outgoingGet', {
        pool: other,
        connectionId,
        timeout: PATIENCE,
      });
      const [sender, receiver] = way === 'up' ? ([client, server] as const) : ([server, client] as const);
      const [sends, receives] = way === 'up' ? [same, taken] : [taken, same];
      const moments = await Promise.all([
        sender.request<Moment>('pour', { connection: sends.connection, send: bytes, chunk: size }),
        receiver.request<Moment>('drain', { connection: receives.connection, receive: bytes, sum }),
      ]);
      return moments.map(({ at }) => at);
    });
    return span((await Promise.all(carried)).flat());
  }

  /** Asks both ends the same of their pools. */
  ask<T = object>(what: string, fields: object = {}): Promise<T[]> {
    return Promise.all(
      this.peers.map((peer, i) => peer.request<T>(what, { pool: this.#pools[i], ...fields })),
    );
  }

  async close(): Promise<void> {
    await this.ask('close');
  }

  [Symbol.asyncDispose](): Promise<void> {
    return dispose(this.peers);
  }
}

async function dispose(ends: readonly AsyncDisposable[]): Promise<void> {
  await Promise.all(ends.map((end) => end[Symbol.asyncDispose]()));
}

/** From the first to the last of these moments. */
function span(moments: readonly number[]): number {
  return Math.max(...moments) - Math.min(...moments);
}

/** How long a Go peer may take for what it is asked, in milliseconds. */
const PATIENCE = 60_000;

/** When an end began to send, or had all. */
interface Moment {
  readonly at: number;
}

interface Taken {
  readonly connection: number;
  readonly connectionId: string;
}

class GoEnd implements Measured {
  constructor(private readonly peer: PeerProgram) {}

  async usage(collect = false): Promise<Usage> {
    if (collect) await this.peer.request('collect');
    return usageOf(this.peer.pid);
  }
}
