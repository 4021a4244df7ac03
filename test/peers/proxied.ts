import {
  type ClientPoolOptions,
  createClientPool,
  createServerPool,
  type ServerPoolSettings,
} from 'nestjs-npws';
import { createCertificate, type KeyPair } from '../support/certificates.js';
import { type Pair, until } from '../support/pair.js';
import { portOf } from '../support/raw-joined.js';
import { KINDS, type Proxy, type ProxyKind, type ProxySettings, startProxy } from './proxy.js';

/** A client pool joined to a server pool by a way through a proxy. */
export interface Way extends Pair {
  /** Such as 'nginx, TLS ended'. */
  readonly name: string;
}

interface WaysOptions extends Pick<ProxySettings, 'idle' | 'edit'> {
  server?: ServerPoolSettings;
  client?: Partial<ClientPoolOptions>;
}

/** Both ways through one proxy. `await using` closes the pools, then the proxy. */
export interface Ways extends AsyncDisposable {
  readonly proxy: Proxy;
  /** The one that clients verify. */
  readonly certificate: KeyPair;
  readonly ways: readonly Way[];
}

/** How many connections each client pool keeps idle, unless told otherwise. */
export const POOL_SIZE = 5;

/** Starts two server pools, a proxy in front of them, and a client pool for each way; waits until all are full. */
export async function openWays(kind: ProxyKind, options: WaysOptions = {}): Promise<Ways> {
  const { idle, edit, server = {}, client = {} } = options;
  const certificate = await createCertificate();
  const shared = { listen: { host: '127.0.0.1', port: 0 }, maxCapacity: 20, drainTimeout: 0, ...server };
  const plain = createServerPool(shared);
  const secure = createServerPool({ ...shared, tls: certificate });
  await Promise.all([plain.start(), secure.start()]);
  const ports = { plain: portOf(plain), secure: portOf(secure) };
  const proxy = await startProxy(kind, { ...ports, certificate, idle, edit });
  const ways = await Promise.all(
    [
      { name: `${kind}, TLS ended`, server: plain, port: proxy.ended },
      { name: `${kind}, TLS passed through`, server: secure, port: proxy.passed },
    ].map(async ({ name, server: pool, port }) => {
      const clientPool = createClientPool({
        address: `127.0.0.1:${port}`,
        tls: { ca: certificate.cert },
        minCapacity: POOL_SIZE,
        maxCapacity: POOL_SIZE,
        minInterval: 100,
        maxInterval: 100,
        drainTimeout: 0,
        ...client,
      });
      await clientPool.start();
      await untilFull({ server: pool, client: clientPool });
      return {
        name,
        server: pool,
        client: clientPool,
        async [Symbol.asyncDispose]() {
          await Promise.all([clientPool.close(), pool.close()]);
        },
      };
    }),
  );
  return {
    proxy,
    certificate,
    ways,
    async [Symbol.asyncDispose]() {
      await Promise.all(ways.map((way) => way[Symbol.asyncDispose]()));
      await proxy[Symbol.asyncDispose]();
    },
  };
}

/** Resolves when both ends hold as many idle connections as the client aims at. */
export async function untilFull({ server, client }: Pick<Pair, 'server' | 'client'>): Promise<void> {
  await until(client, () => client.active() === client.stats().minCapacity);
  await until(server, () => server.active() === client.stats().minCapacity);
}

/** The four ways: through nginx and HAProxy, TLS ended and passed through. */
export async function openAllWays(options: WaysOptions): Promise<{ ways: readonly Way[] } & AsyncDisposable> {
  const proxies = await Promise.all(KINDS.map((kind) => openWays(kind, options)));
  return {
    ways: proxies.flatMap(({ ways }) => ways),
    async [Symbol.asyncDispose]() {
      await Promise.all(proxies.map((proxy) => proxy[Symbol.asyncDispose]()));
    },
  };
}
