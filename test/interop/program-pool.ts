import type { PeerProgram } from './driver.js';
import type { Exchange, Exchanged, PeerConnection, PeerPool, Received } from './peer.js';

const GET_TIMEOUT = 20_000;

/** What a peer answers when it has opened a pool. */
export interface PoolAnswer {
  pool: number;
  port: number;
}

/** A pool in a peer's process. */
export class ProgramPool implements PeerPool {
  readonly port: number;
  readonly #pool: number;

  constructor(
    private readonly peer: PeerProgram,
    { pool, port }: PoolAnswer,
  ) {
    this.#pool = pool;
    this.port = port;
  }

  incomingGet(timeout = GET_TIMEOUT): Promise<ProgramConnection> {
    return this.#take('incomingGet', { timeout });
  }

  outgoingGet(connectionId: string, timeout = GET_TIMEOUT): Promise<ProgramConnection> {
    return this.#take('outgoingGet', { connectionId, timeout });
  }

  async active(): Promise<number> {
    return (await this.#request<{ active: number }>('stats')).active;
  }

  async capacity(): Promise<number> {
    return (await this.#request<{ capacity: number }>('stats')).capacity;
  }

  async errorCount(): Promise<number> {
    return (await this.#request<{ errorCount: number }>('stats')).errorCount;
  }

  async untilActive(
    { atLeast = 0, atMost }: { atLeast?: number; atMost?: number },
    timeout = GET_TIMEOUT,
  ): Promise<number> {
    const { active } = await this.#request<{ active: number }>('untilActive', { atLeast, atMost, timeout });
    if (active < atLeast || active > (atMost ?? Infinity)) {
      throw new Error(`${active} idle connections, not ${atLeast} to ${atMost ?? 'any'}`);
    }
    return active;
  }

  async flush(): Promise<void> {
    await this.#request('flush');
  }

  async close(): Promise<void> {
    await this.#request('close');
  }

  async #take(what: string, fields: object): Promise<ProgramConnection> {
    return new ProgramConnection(this.peer, await this.#request<ConnectionAnswer>(what, fields));
  }

  #request<T = object>(what: string, fields: object = {}): Promise<T> {
    return this.peer.request<T>(what, { pool: this.#pool, ...fields });
  }
}

interface ConnectionAnswer {
  connection: number;
  connectionId: string;
}

/** A connection that a peer's process has taken from its pool. */
export class ProgramConnection implements PeerConnection {
  readonly id: string;
  readonly #connection: number;

  constructor(
    private readonly peer: PeerProgram,
    { connection, connectionId }: ConnectionAnswer,
  ) {
    this.#connection = connection;
    this.id = connectionId;
  }

  exchange(work: Exchange): Promise<Exchanged> {
    return this.#request('exchange', work);
  }

  async write(bytes: number, seed: number, chunk?: number): Promise<void> {
    await this.#request('write', { bytes, seed, chunk });
  }

  /** Sends one message of text. */
  async say(text: string): Promise<void> {
    await this.#request('write', { text });
  }

  read(bytes?: number): Promise<Received> {
    return this.#request('read', { bytes });
  }

  async end(): Promise<void> {
    await this.#request('end');
  }

  async cut(): Promise<void> {
    await this.#request('cut');
  }

  #request<T = object>(what: string, fields: object = {}): Promise<T> {
    return this.peer.request<T>(what, { connection: this.#connection, ...fields });
  }
}
