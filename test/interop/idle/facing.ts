import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type ClientPool,
  type ClientPoolOptions,
  createClientPool,
  createServerPool,
  type PoolConnection,
  type ServerPool,
  type ServerPoolSettings,
} from 'nestjs-npws';
import { createCertificate } from '../../support/certificates.js';
import { PeerProgram } from '../driver.js';
import { OwnPool } from '../own-peer.js';
import type { PeerPool } from '../peer.js';

/** Which role the foreign peer plays. */
export type Role = 'client' | 'server';

/** When TCP keep-alive must have found out about a peer that vanished without a word: its 15 s, 12 s of probes, and a moment. */
export const KEPT_ALIVE = 15_000 + 12_000 + 1_000;

interface FacingOptions {
  /** How many connections are idle. */
  count: number;
  /** What our pool's options are beyond that. */
  ours?: Partial<ClientPoolOptions & ServerPoolSettings>;
  /** What stands before the peer's command, and the addresses of both ends. Default: this machine. */
  network?: { prefix: string[]; here: string; there: string };
  /** The peer's program and its arguments. Default: a Go peer. */
  command?: readonly string[];
}

/** What became of our connections. */
interface Loss {
  at: number;
  cause: string;
}

/** A pool of ours full of idle TLS connections to a foreign peer. `await using` ends both. */
export class Facing implements AsyncDisposable {
  /** Idle connections that our pool lost, in order. */
  readonly lost: Loss[] = [];
  /** Theirs at the moment. */
  theirs!: PeerPool;

  private constructor(
    readonly role: Role,
    readonly peer: PeerProgram,
    private readonly folder: string,
    private readonly options: Required<Omit<FacingOptions, 'command'>>,
  ) {}

  /** Our pool. */
  ours!: ClientPool<PoolConnection> | ServerPool<PoolConnection>;

  static async open(role: Role, options: FacingOptions): Promise<Facing> {
    const {
      network = { prefix: [], here: '127.0.0.1', there: '127.0.0.1' },
      ours = {},
      count,
      command,
    } = options;
    const peer = await PeerProgram.start({ prefix: network.prefix, ...(command ? { command } : {}) });
    const folder = await mkdtemp(join(tmpdir(), 'interop-idle-'));
    const facing = new Facing(role, peer, folder, { count, network, ours });
    try {
      await facing.#open();
    } catch (error) {
      await facing[Symbol.asyncDispose]();
      throw error;
    }
    return facing;
  }

  get server(): PeerPool {
    return this.role === 'server' ? this.theirs : new OwnPool(this.ours);
  }

  get client(): PeerPool {
    return this.role === 'client' ? this.theirs : new OwnPool(this.ours);
  }

  /** Resolves when our pool has lost this many idle connections in all; rejects when it has not in time. */
  async untilLost(count: number, timeout: number): Promise<void> {
    await this.#until(
      () => this.lost.length >= count,
      timeout,
      () => `${this.lost.length} of ${count} lost`,
    );
  }

  /** Resolves when our pool is full; rejects when it is not in time. */
  async untilFull(timeout: number): Promise<void> {
    const { ours } = this;
    await this.#until(
      () => ours.active() >= this.options.count,
      timeout,
      () => `${ours.active()} idle`,
    );
  }

  /** Opens the peer's pool: on a free port, or after a restart of its process on the old one. */
  async reopen(port = 0): Promise<void> {
    const { count, network } = this.options;
    this.theirs =
      this.role === 'server'
        ? await this.peer.server({
            // A Go server that was cut off keeps its dead connections and their places.
            capacity: 2 * count,
            host: network.there,
            port,
            cert: join(this.folder, 'cert.pem'),
            key: join(this.folder, 'key.pem'),
          })
        : await this.peer.client({
            address: `${network.here}:${portOf(this.ours)}`,
            tls: '1',
            capacity: count,
          });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.peer[Symbol.asyncDispose]();
    await (this.ours as typeof this.ours | undefined)?.close();
    await rm(this.folder, { recursive: true });
  }

  async #open(): Promise<void> {
    const { count, network, ours } = this.options;
    const { cert, key } = await createCertificate();
    if (this.role === 'server') {
      await writeFile(join(this.folder, 'cert.pem'), cert);
      await writeFile(join(this.folder, 'key.pem'), key);
      await this.reopen();
      this.ours = createClientPool({
        address: `${network.there}:${this.theirs.port}`,
        tlsMode: 'self-signed',
        minCapacity: count,
        maxCapacity: count,
        minInterval: 10,
        maxInterval: 10,
        drainTimeout: 0,
        ...ours,
      });
    } else {
      const listen = { host: network.here, port: 0 };
      this.ours = createServerPool({
        listen,
        tls: { cert, key },
        maxCapacity: count,
        drainTimeout: 0,
        ...ours,
      });
    }
    this.ours.on('warning', () => undefined); // known: the certificate is made for this test
    this.ours.on('disconnect', ({ used, reason, error }) => {
      const { cause } = error ?? {};
      if (!used)
        this.lost.push({ at: performance.now(), cause: cause instanceof Error ? cause.message : reason });
    });
    await this.ours.start();
    if (this.role === 'client') await this.reopen();
    await this.untilFull(20_000);
    await this.theirs.untilActive({ atLeast: count });
  }

  #until(condition: () => boolean, timeout: number, state: () => string): Promise<void> {
    const { ours } = this;
    return new Promise((resolve, reject) => {
      const look = (): void => {
        if (!condition()) return;
        settle();
        resolve();
      };
      const settle = (): void => {
        clearTimeout(timer);
        ours.off('change', look);
      };
      const timer = setTimeout(() => {
        settle();
        reject(new Error(`not within ${timeout} ms: ${state()}`));
      }, timeout);
      ours.on('change', look);
      look();
    });
  }
}

function portOf(pool: ClientPool<PoolConnection> | ServerPool<PoolConnection>): number {
  return pool.role === 'server' ? (pool.address()?.port ?? 0) : 0;
}
