import type { Server } from 'node:net';
import type { ClientPoolOptions, PoolConnection, ServerPoolSettings } from 'nestjs-npws';
import { type ClientPool, createClientPool, createServerPool, type ServerPool } from 'nestjs-npws';
import { connectNamed, type RawPeer, RawServer } from './raw-peer.js';
import { createPair, type Pair, takeBoth, until } from './pair.js';

/** One connection, taken at both ends. Disposing of it waits until no pool counts it any more. */
export interface Joined extends AsyncDisposable {
  pair: Pair;
  atServer: PoolConnection;
  atClient: PoolConnection;
}

interface JoinedOptions {
  tls?: boolean;
  server?: ServerPoolSettings;
  client?: Partial<ClientPoolOptions>;
}

/** Starts a pair of pools and takes one connection at both ends. */
export async function createJoined(options: JoinedOptions = {}): Promise<Joined> {
  const pair = await createPair({
    ...options,
    server: { drainTimeout: 0, ...options.server },
    client: { drainTimeout: 0, ...options.client },
  });
  const { atServer, atClient } = await takeBoth(pair);
  return {
    pair,
    atServer,
    atClient,
    async [Symbol.asyncDispose]() {
      atServer.destroy();
      atClient.destroy();
      await until(pair.server, () => pair.server.stats().used === 0);
      await until(pair.client, () => pair.client.stats().used === 0);
      await pair[Symbol.asyncDispose]();
    },
  };
}

/** Server options with a place or without: a free port of this machine. */
export interface ServerOverrides extends ServerPoolSettings {
  listen?: { host?: string; port: number };
  listener?: Server;
}

/** A server pool that listens on a free port and cuts what is in use when it closes. */
export async function startServer({
  listen = { host: '127.0.0.1', port: 0 },
  listener,
  ...options
}: ServerOverrides = {}): Promise<ServerPool<PoolConnection>> {
  const place = listener ? { listener } : { listen };
  const pool = createServerPool({ maxCapacity: 10, drainTimeout: 0, ...options, ...place });
  await pool.start();
  return pool;
}

/** Where a server pool listens. */
export function portOf(pool: ServerPool<PoolConnection>): number {
  return pool.address()?.port ?? 0;
}

/** A connection of a server pool whose far end is raw. */
export interface RawJoined extends AsyncDisposable {
  connection: PoolConnection;
  peer: RawPeer;
  used: () => number;
}

/** A server pool with one raw client, its connection taken. */
export async function createRawClient(options: ServerOverrides = {}): Promise<RawJoined> {
  const pool = await startServer(options);
  const { peer, id } = await connectNamed(portOf(pool), { tls: options.tls !== undefined });
  const connection = await pool.outgoingGet(id);
  return {
    connection,
    peer,
    used: () => pool.stats().used,
    async [Symbol.asyncDispose]() {
      connection.destroy();
      peer.socket.destroy();
      await until(pool, () => pool.stats().used === 0);
      await pool.close();
    },
  };
}

/** A client pool of one connection whose server is raw: `answer` plays the server. */
export async function createRawServerPool(
  answer: (peer: RawPeer) => unknown,
  options: Partial<ClientPoolOptions> = {},
): Promise<{ pool: ClientPool<PoolConnection>; server: RawServer } & AsyncDisposable> {
  const server = await RawServer.listen(undefined, answer);
  const pool = createClientPool({
    address: `127.0.0.1:${server.port}`,
    tlsMode: 'none',
    drainTimeout: 0,
    ...options,
  });
  await pool.start();
  return {
    pool,
    server,
    async [Symbol.asyncDispose]() {
      await pool.close();
      await server[Symbol.asyncDispose]();
    },
  };
}
