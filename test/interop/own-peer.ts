import { createHash, type Hash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import {
  type ClientPool,
  createClientPool,
  createServerPool,
  type PoolConnection,
  type ServerPool,
} from 'nestjs-npws';
import type {
  Exchange,
  Exchanged,
  Peer,
  PeerClientOptions,
  PeerConnection,
  PeerPool,
  PeerServerOptions,
  Received,
} from './peer.js';
import { seededBytes } from '../support/seeded-bytes.js';

type OwnPools = ClientPool<PoolConnection> | ServerPool<PoolConnection>;

const GET_TIMEOUT = 20_000;

/** This project as a peer. `ca` is a file with the authorities that its clients trust. */
export class OwnPeer implements Peer, AsyncDisposable {
  readonly #ca: Buffer | undefined;
  readonly #pools: OwnPool[] = [];

  constructor({ ca }: { ca?: string } = {}) {
    this.#ca = ca ? readFileSync(ca) : undefined;
  }

  async server(options: PeerServerOptions): Promise<OwnPool> {
    const { capacity, host = '127.0.0.1', port = 0, cert, key, clientIP, early, cork } = options;
    if (early || cork) throw new Error('unsupported');
    const tls = cert && key ? { cert: readFileSync(cert), key: readFileSync(key) } : undefined;
    return this.#start(
      createServerPool({ listen: { host, port }, maxCapacity: capacity, tls, clientIP, drainTimeout: 0 }),
    );
  }

  async client({ address, tls, capacity, interval = 10 }: PeerClientOptions): Promise<OwnPool> {
    return this.#start(
      createClientPool({
        address,
        tlsMode: tls,
        tls: tls === '2' && this.#ca ? { ca: this.#ca } : undefined,
        minCapacity: capacity,
        maxCapacity: capacity,
        minInterval: interval,
        maxInterval: interval,
        drainTimeout: 0,
      }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#pools.map((pool) => pool.close()));
  }

  async #start(pool: OwnPools): Promise<OwnPool> {
    pool.on('warning', () => undefined); // known: what is unverified here is meant to be
    await pool.start();
    const own = new OwnPool(pool);
    this.#pools.push(own);
    return own;
  }
}

/** One of our pools. */
export class OwnPool implements PeerPool {
  constructor(readonly pool: OwnPools) {}

  get port(): number {
    return this.pool.role === 'server' ? (this.pool.address()?.port ?? 0) : 0;
  }

  async incomingGet(timeout = GET_TIMEOUT): Promise<OwnConnection> {
    return new OwnConnection(await this.pool.incomingGet(timeout));
  }

  async outgoingGet(connectionId: string, timeout = GET_TIMEOUT): Promise<OwnConnection> {
    return new OwnConnection(await this.pool.outgoingGet(connectionId, timeout));
  }

  active(): number {
    return this.pool.active();
  }

  async untilActive(
    { atLeast = 0, atMost = Infinity }: { atLeast?: number; atMost?: number },
    timeout = GET_TIMEOUT,
  ): Promise<number> {
    const deadline = AbortSignal.timeout(timeout);
    const isWithin = (): boolean => this.active() >= atLeast && this.active() <= atMost;
    await new Promise<void>((resolve, reject) => {
      const look = (): void => {
        if (!isWithin() && !deadline.aborted) return;
        this.pool.off('change', look);
        deadline.removeEventListener('abort', look);
        if (isWithin()) resolve();
        else reject(new Error(`${this.active()} idle connections, not ${atLeast} to ${atMost}`));
      };
      this.pool.on('change', look);
      deadline.addEventListener('abort', look);
      look();
    });
    return this.active();
  }

  flush(): void {
    this.pool.flush();
  }

  close(): Promise<void> {
    return this.pool.close();
  }
}

/** One of our connections, with a running account of what it received. */
export class OwnConnection implements PeerConnection {
  readonly #hash: Hash = createHash('sha256');
  #received = 0;
  #ended = '';
  readonly #closed: Promise<void>;

  constructor(readonly connection: PoolConnection) {
    connection.on('error', (error) => {
      this.#ended += this.#ended ? `, then ${error.message}` : error.message;
    });
    connection.on('end', () => {
      this.#ended = 'eof';
    });
    this.#closed = new Promise((resolve) => {
      connection.once('close', resolve);
    });
  }

  get id(): string {
    return this.connection.id;
  }

  get protocol(): 1 | 2 {
    return this.connection.protocol;
  }

  async exchange({ send, seed, chunk, receive, close }: Exchange): Promise<Exchanged> {
    const answer: { sent: number; sendError?: string } = { sent: send };
    const written = this.write(send, seed, chunk).catch((error: unknown) => {
      answer.sendError = String(error);
      answer.sent = this.connection.bytesWritten;
    });
    let received = await this.read(close ? receive : undefined);
    await written;
    // Under protocol 2, who has read the end has to end too.
    await this.end();
    if (!close) received = this.#soFar();
    return { ...answer, ...received };
  }

  async write(bytes: number, seed: number, chunk?: number): Promise<void> {
    const { connection } = this;
    for (const part of seededBytes({ bytes, seed }, chunk)) {
      if (connection.destroyed) throw new Error(this.#ended || 'destroyed');
      if (!connection.write(part)) await Promise.race([once(connection, 'drain'), this.#closed]);
    }
    await new Promise<void>((resolve, reject) => {
      connection.write(Buffer.alloc(0), (error) => {
        if (error) reject(error);
        else resolve();
      });
    });
  }

  async read(bytes = Infinity): Promise<Received> {
    const { connection } = this;
    let left = bytes;
    while (left > 0 && !connection.closed && this.#ended === '') {
      const part = connection.read() as Buffer | null;
      if (part) {
        this.#hash.update(part);
        this.#received += part.length;
        left -= part.length;
      } else {
        await this.#more();
      }
    }
    if (left === Infinity && this.#ended !== 'eof') await this.#closed;
    return this.#soFar();
  }

  async end(): Promise<void> {
    this.connection.end();
    this.connection.resume();
    await this.#closed;
  }

  cut(): Promise<void> {
    this.connection.destroy();
    return Promise.resolve();
  }

  #soFar(): Received {
    return { bytes: this.#received, sha256: this.#hash.copy().digest('hex'), ended: this.#ended };
  }

  async #more(): Promise<void> {
    const stop = new AbortController();
    const { signal } = stop;
    await Promise.race([
      once(this.connection, 'readable', { signal }).catch(() => undefined),
      once(this.connection, 'end', { signal }).catch(() => undefined),
      this.#closed,
    ]);
    stop.abort();
  }
}
