import {
  type ClientPool,
  type ClientPoolOptions,
  createClientPool,
  createServerPool,
  type PoolConnection,
  type ServerPool,
  type ServerPoolSettings,
} from 'nestjs-npws';
import { createCertificate } from './certificates.js';

/** A client pool and a server pool joined by real sockets on a free port. `await using` closes both. */
export interface Pair extends AsyncDisposable {
  server: ServerPool<PoolConnection>;
  client: ClientPool<PoolConnection>;
}

interface PairOptions {
  server?: ServerPoolSettings;
  client?: Partial<ClientPoolOptions>;
  /** Encrypts with a self-signed certificate. Default false: plain ws. */
  tls?: boolean;
}

/** How long the end of a test waits for connections that it has left open, in milliseconds. */
const DRAIN = 300;

/** Starts both and waits until the client has filled its pool. */
export async function createPair({ server = {}, client = {}, tls = false }: PairOptions = {}): Promise<Pair> {
  const serverPool = createServerPool({
    listen: { host: '127.0.0.1', port: 0 },
    maxCapacity: 100,
    drainTimeout: DRAIN,
    ...(tls ? { tls: await createCertificate() } : {}),
    ...server,
  });
  await serverPool.start();
  const clientPool = createClientPool({
    address: `127.0.0.1:${serverPool.address()?.port ?? 0}`,
    tlsMode: tls ? 'self-signed' : 'none',
    minCapacity: 4,
    maxCapacity: 8,
    minInterval: 50,
    maxInterval: 500,
    drainTimeout: DRAIN,
    ...client,
  });
  clientPool.on('warning', () => undefined); // known: the certificate is made for this test
  await clientPool.start();
  await until(clientPool, () => clientPool.active() >= clientPool.stats().minCapacity);
  await until(serverPool, () => serverPool.active() >= Math.min(clientPool.active(), serverPool.capacity()));
  return {
    server: serverPool,
    client: clientPool,
    async [Symbol.asyncDispose]() {
      await Promise.all([clientPool.close(), serverPool.close()]);
    },
  };
}

/** Takes one connection at both ends: the server any, the client the same by its ID. */
export async function takeBoth({
  server,
  client,
}: Pick<Pair, 'server' | 'client'>): Promise<{ atServer: PoolConnection; atClient: PoolConnection }> {
  const atServer = await server.incomingGet();
  return { atServer, atClient: await client.outgoingGet(atServer.id) };
}

/** What tells of its changes. */
interface Observed {
  on(event: 'change', listener: () => void): unknown;
  off(event: 'change', listener: () => void): unknown;
}

/** Resolves when `condition` holds, looking after each change of the pool. */
export function until(pool: Observed, condition: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    const look = (): void => {
      if (!condition()) return;
      pool.off('change', look);
      resolve();
    };
    pool.on('change', look);
    look();
  });
}
