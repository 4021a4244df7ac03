import { createClientPool, createServerPool, type Pool, type PoolConnection } from 'nestjs-npws';
import type { KeyPair } from '../../support/certificates.js';
import { serve } from '../child.js';
import { quantile } from '../quantile.js';
import { watch } from './watch.js';

// One end of the churn benchmark, in a process of its own.

/** What was done since the last tally. */
export interface Tally {
  readonly uses: number;
  readonly milliseconds: number;
  /** The p99 of the time that `incomingGet` took, in milliseconds. */
  readonly wait: number;
}

/** What a Go peer takes; Node's own first choice has the dearer hash. */
const CIPHERS = 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384';
const CURVE = 'X25519';

const CONTROL_ID = '00000000';
const ID_BYTES = 4;

/** Counts uses and their waits. The first error that is not due to the end of the run spoils it. */
class Counter {
  isOver = false;
  #failure: unknown;
  #uses = 0;
  #waits: number[] = [];
  #since = performance.now();

  waited(milliseconds: number): void {
    this.#waits.push(milliseconds);
  }

  used(): void {
    this.#uses++;
  }

  failed(error: unknown): void {
    if (!this.isOver) this.#failure ??= error;
  }

  /** Throws when anything has failed. */
  tally(): Tally {
    if (this.#failure) throw this.#failure as Error;
    const now = performance.now();
    const tally = {
      uses: this.#uses,
      milliseconds: now - this.#since,
      wait: quantile(this.#waits, 0.99),
    };
    this.#uses = 0;
    this.#waits = [];
    this.#since = now;
    return tally;
  }
}

/** A pool at one end of the run. */
interface End {
  /** Where a server listens; 0 for a client. */
  readonly port: number;
  readonly counter: Counter;
  readonly pool: Pool<PoolConnection>;
  churn(loops: number, bytes: number): Promise<void>;
  close(): Promise<void>;
}

async function openServer(protocol: 1 | 2, tls: KeyPair, capacity: number): Promise<End> {
  const listen = { host: '127.0.0.1', port: 0 };
  const pool = createServerPool({
    listen,
    tls: { ...tls, ciphers: CIPHERS, ecdhCurve: CURVE },
    protocol,
    maxCapacity: capacity,
    drainTimeout: 0,
  });
  await pool.start();
  const counter = new Counter();
  const use = async (teller: Teller, message: Buffer): Promise<void> => {
    const start = performance.now();
    const connection = await pool.incomingGet();
    counter.waited(performance.now() - start);
    if (connection.protocol !== protocol) throw new Error(`it speaks protocol ${connection.protocol}`);
    const id = Buffer.from(connection.id, 'hex');
    await teller.tell(id);
    // No two uses say the same: what got from one into another would show.
    message.set(id);
    await exchange(connection, message);
    counter.used();
  };
  const loop = async (teller: Teller, message: Buffer): Promise<void> => {
    while (!counter.isOver) await use(teller, message);
  };
  return {
    port: pool.address()?.port ?? 0,
    counter,
    pool,
    async churn(loops, bytes) {
      const teller = new Teller(await pool.outgoingGet(CONTROL_ID));
      for (let i = 0; i < loops; i++) {
        loop(teller, Buffer.alloc(bytes, `loop ${i} `)).catch((error: unknown) => {
          counter.failed(error);
        });
      }
    },
    close: () => pool.close(),
  };
}

/** Tells the client which connections were taken: all of one turn of the event loop at once. */
class Teller {
  #ids: Buffer[] = [];
  #told: Promise<void> | undefined;

  constructor(private readonly control: PoolConnection) {}

  /** Resolves when the ID is on its way. */
  tell(id: Buffer): Promise<void> {
    this.#ids.push(id);
    this.#told ??= new Promise((resolve) => {
      setImmediate(() => {
        this.control.write(Buffer.concat(this.#ids));
        this.#ids = [];
        this.#told = undefined;
        resolve();
      });
    });
    return this.#told;
  }
}

/** Writes the message, reads it back, ends. Resolves when the connection is over, rejects unless all was well. */
function exchange(connection: PoolConnection, message: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    let received = 0;
    connection.on('data', (chunk: Buffer) => {
      const isAsSent = message.subarray(received, received + chunk.length).equals(chunk);
      received += chunk.length;
      if (!isAsSent) reject(new Error(`connection ${connection.id}: other bytes came back`));
      else if (received === message.length) connection.end();
    });
    connection.on('error', reject);
    connection.on('close', () => {
      if (received === message.length && connection.readableEnded) resolve();
      else reject(new Error(`connection ${connection.id}: closed after ${received} bytes`));
    });
    connection.write(message);
  });
}

async function openClient(protocol: 1 | 2, port: number, capacity: number, interval: number): Promise<End> {
  const pool = createClientPool({
    address: `127.0.0.1:${port}`,
    tlsMode: 'self-signed',
    protocol,
    minCapacity: capacity,
    maxCapacity: capacity,
    minInterval: interval,
    maxInterval: interval,
    tls: { ecdhCurve: CURVE },
    drainTimeout: 0,
  });
  pool.on('warning', () => undefined); // known: the certificate is made for this run
  const counter = new Counter();
  const fail = (error: unknown): void => {
    counter.failed(error);
  };
  pool.on('dialError', fail);
  await pool.start();
  const echo = async (id: string): Promise<void> => {
    const connection = await pool.outgoingGet(id);
    connection.on('error', fail);
    connection.pipe(connection);
  };
  return {
    port: 0,
    counter,
    pool,
    async churn() {
      const control = await pool.outgoingGet(CONTROL_ID);
      onEachId(control, (id) => {
        echo(id).catch(fail);
      });
    },
    close: () => pool.close(),
  };
}

/** Calls back with each ID that comes over the control connection, in whatever pieces they come. */
function onEachId(control: PoolConnection, follow: (id: string) => void): void {
  let rest: Buffer = Buffer.alloc(0);
  control.on('data', (chunk: Buffer) => {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let offset = 0;
    for (; offset + ID_BYTES <= bytes.length; offset += ID_BYTES) {
      follow(bytes.toString('hex', offset, offset + ID_BYTES));
    }
    rest = bytes.subarray(offset);
  });
}

let end: End | undefined;

const handlers = {
  /** The port. `isWatched` has metrics collected. */
  async listen(protocol: 1 | 2, tls: KeyPair, capacity: number, isWatched: boolean): Promise<number> {
    end = await openServer(protocol, tls, capacity);
    if (isWatched) watch(end.pool);
    return end.port;
  },

  async dial(
    protocol: 1 | 2,
    port: number,
    capacity: number,
    interval: number,
    isWatched: boolean,
  ): Promise<void> {
    end = await openClient(protocol, port, capacity, interval);
    if (isWatched) watch(end.pool);
  },

  /** Sets the loops going. */
  async churn(loops: number, bytes: number): Promise<void> {
    await end?.churn(loops, bytes);
  },

  tally(): Tally {
    if (!end) throw new Error('nothing runs');
    return end.counter.tally();
  },

  async close(): Promise<void> {
    if (end) end.counter.isOver = true;
    await end?.close();
  },
};

export type ChurnHandlers = typeof handlers;

serve(handlers);
