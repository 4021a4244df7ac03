import {
  type ClientPoolOptions,
  createClientPool,
  createServerPool,
  NpwsError,
  type ServerPoolOptions,
} from 'nestjs-npws';
import { PeerProgram } from '../driver.js';
import { OwnPool } from '../own-peer.js';
import type { PeerClientOptions, PeerPool, PeerServerOptions } from '../peer.js';

/** How long our streams in use may go on when their pool is closed, in milliseconds. */
const DRAIN = 2_000;

/** A pool that is put into a situation in which NPWS fails. */
export interface SubjectPool extends PeerPool {
  active(): number | Promise<number>;
  errorCount(): number | Promise<number>;
  flush(): void | Promise<void>;
}

export interface SubjectServerOptions extends PeerServerOptions {
  /** Whether the control connection is kept for who asks for it by name, if the subject can do so. */
  reserveControl?: boolean;
}

/** Whose pools they are. */
export interface Subject extends AsyncDisposable {
  server(options: SubjectServerOptions): Promise<SubjectPool>;
  client(options: PeerClientOptions): Promise<SubjectPool>;
  /** Starts client pools one by one and asks each for a connection at once. Resolves with how many gets failed. */
  getsAtStart(options: PeerClientOptions & { times: number; timeout: number }): Promise<number>;
}

/** The foreign peer. */
export async function theirs(): Promise<Subject> {
  const peer = await PeerProgram.start();
  return {
    server: (options) => peer.server(options),
    client: (options) => peer.client(options),
    async getsAtStart(options) {
      return (await peer.request<{ failed: number }>('getsAtStart', options)).failed;
    },
    // It may hold what is deaf: nothing is to be closed in good order.
    [Symbol.asyncDispose]: () => peer.kill(),
  };
}

class OwnSubjectPool extends OwnPool {
  errorCount(): number {
    return this.pool.errorCount();
  }
}

/** This project. */
export function ours(): Promise<Subject> {
  const pools: OwnSubjectPool[] = [];
  const start = async (
    pool: ReturnType<typeof createClientPool> | ReturnType<typeof createServerPool>,
  ): Promise<OwnSubjectPool> => {
    pool.on('warning', () => undefined); // known: what is unverified here is meant to be
    const own = new OwnSubjectPool(pool);
    pools.push(own);
    await pool.start();
    return own;
  };
  return Promise.resolve({
    server: (options) => start(createServerPool(serverOptions(options))),
    client: (options) => start(createClientPool(clientOptions(options))),
    async getsAtStart({ times, timeout, ...options }) {
      let failed = 0;
      for (let i = 0; i < times; i++) {
        const pool = createClientPool(clientOptions(options));
        const starting = pool.start();
        try {
          (await pool.incomingGet(timeout)).destroy();
        } catch (error) {
          if (!(error instanceof NpwsError)) throw error;
          failed++;
        }
        await starting;
        await pool.close();
      }
      return failed;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(pools.map((pool) => pool.close()));
    },
  });
}

function serverOptions({ capacity, reserveControl }: SubjectServerOptions): ServerPoolOptions {
  const listen = { host: '127.0.0.1', port: 0 };
  return { listen, maxCapacity: capacity, drainTimeout: DRAIN, reserveControl };
}

function clientOptions({ address, tls, capacity, interval = 10 }: PeerClientOptions): ClientPoolOptions {
  return {
    address,
    tlsMode: tls,
    minCapacity: capacity,
    maxCapacity: capacity,
    minInterval: interval,
    maxInterval: interval,
    drainTimeout: DRAIN,
  };
}
