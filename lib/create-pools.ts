import { randomFillSync } from 'node:crypto';
import { ClientPool } from './core/client-pool.js';
import { type Clock, systemClock } from './core/clock.js';
import { labelOf, NpwsOptionsError, type PoolRole } from './core/errors.js';
import { type ClientPoolOptions, type ResolvedClientOptions } from './core/client-options.js';
import { DEFAULT_NAME, type NpwsOptions, type ResolvedOptions, resolveOptions } from './core/options.js';
import { type ResolvedServerOptions, type ServerPoolOptions } from './core/server-options.js';
import { Measures } from './core/measures.js';
import type { Pool } from './core/pool.js';
import type { Random } from './core/random.js';
import { ServerPool } from './core/server-pool.js';
import { createListen } from './transport/acceptor.js';
import type { PoolConnection } from './transport/connection.js';
import { isMaskNative } from './transport/mask.js';
import { createMount, type FindHttpServer } from './transport/mount.js';
import { type Connect, createDial } from './transport/dialer.js';
import { clientTls, serverTls, tlsProblemsOf } from './transport/tls.js';

/** What goes beside a pool's own options. */
export interface CreatePoolOptions {
  /** Closes the pool when it is aborted. */
  readonly signal?: AbortSignal;
  /** The pool's name in logs, errors and `stats()`. Default 'default'. */
  readonly name?: string;
}

/**
 * A client pool without Nest: call `start()` to have it dial and `close()` (or abort the signal) when done.
 * Throws `NpwsOptionsError` with every problem at once.
 */
export function createClientPool(
  options: ClientPoolOptions,
  { signal, name = DEFAULT_NAME }: CreatePoolOptions = {},
): ClientPool<PoolConnection> {
  const { client } = checkOptions({ client: options }, name);
  return standAlone(signal, buildClientPool(name, given('client', name, client)));
}

/**
 * A server pool without Nest: `await start()` to have it listen and call `close()` (or abort the signal) when done.
 * Throws `NpwsOptionsError` with every problem at once.
 */
export function createServerPool(
  options: ServerPoolOptions,
  { signal, name = DEFAULT_NAME }: CreatePoolOptions = {},
): ServerPool<PoolConnection> {
  const { server } = checkOptions({ server: options }, name);
  const resolved = given('server', name, server);
  if (resolved.mount && !resolved.mount.server) {
    const expected = 'an http.Server or https.Server (only a Nest application has one of its own to give)';
    throw new NpwsOptionsError(`pool '${name}'`, [
      `server.mount.server: expected ${expected}, got undefined`,
    ]);
  }
  return standAlone(signal, buildServerPool(name, resolved));
}

/** The options of a role that has to be given; JavaScript may leave them out. */
function given<T>(role: PoolRole, name: string, options: T | null): T {
  if (options === null) {
    throw new NpwsOptionsError(`pool '${name}'`, [`${role}: expected an object, got undefined`]);
  }
  return options;
}

/** Checks the options of both roles as far as that can be done before the start, Node's TLS options included. */
export function checkOptions(options: NpwsOptions, name: string): ResolvedOptions {
  const resolved = resolveOptions(options, name);
  const problems = tlsProblemsOf(resolved);
  if (problems.length > 0) throw new NpwsOptionsError(`pool '${name}'`, problems);
  return resolved;
}

/** What pools stand on. Tests may pass something else. */
export interface Ground {
  readonly clock?: Clock;
  /** Opens the TCP connection of a dial. */
  readonly connect?: Connect;
}

/** Joins the client's core to the wire. Throws `NpwsOptionsError` when Node does not take the TLS options. */
export function buildClientPool(
  name: string,
  options: ResolvedClientOptions,
  { clock = systemClock, connect }: Ground = {},
): ClientPool<PoolConnection> {
  const pool = labelOf('client', name);
  const tls = clientTls(pool, options);
  const measures = new Measures();
  const dial = createDial(options, tls, { pool, clock, random: random32, measures }, connect);
  return new ClientPool(name, withPlatform(options), dial, tls, clock, random32, measures);
}

/**
 * Joins the server's core to the wire. `findHttpServer` finds what a pool is mounted on that names no server itself.
 * Throws `NpwsOptionsError` when Node does not take the TLS options.
 */
export function buildServerPool(
  name: string,
  options: ResolvedServerOptions,
  { clock = systemClock }: Pick<Ground, 'clock'> = {},
  findHttpServer?: FindHttpServer,
): ServerPool<PoolConnection> {
  const pool = labelOf('server', name);
  const tls = serverTls(pool, options);
  const measures = new Measures();
  const surroundings = { pool, clock, random: random32, measures };
  const listen = options.mount
    ? createMount(options, options.mount, surroundings, findHttpServer)
    : createListen(options, tls, surroundings);
  return new ServerPool(name, withPlatform(options), listen, tls, clock, random32, measures);
}

/** Has the pool tell at its start what is not as good here as it could be. */
function withPlatform<O extends { readonly warnings: readonly string[] }>(options: O): O {
  const slow = `bufferutil is not there, or has no binary for ${process.platform} ${process.arch}: streams take about a quarter more time`;
  return isMaskNative ? options : { ...options, warnings: [...options.warnings, slow] };
}

/** Many at once: a call of the generator costs as much as a thousand numbers. */
const drawn = new Uint32Array(1_024);
let undrawn = 0;

/** IDs are what one end knows a connection by: they must not be guessable. */
const random32: Random = () => {
  if (undrawn === 0) undrawn = randomFillSync(drawn).length;
  return drawn[--undrawn] as number;
};

/** Does for a pool what Nest would do: ends it with its owner, and lets its warnings be seen. */
function standAlone<P extends Pool<PoolConnection>>(signal: AbortSignal | undefined, pool: P): P {
  pool.on('warning', (message) => {
    const isHeard = pool.listenerCount('warning') > 1;
    if (!isHeard) process.emitWarning(`${labelOf(pool.role, pool.name)}: ${message}`, 'NpwsWarning');
  });
  const close = (): void => void pool.close();
  if (signal?.aborted) close();
  signal?.addEventListener('abort', close, { once: true });
  pool.once('close', () => {
    signal?.removeEventListener('abort', close);
  });
  return pool;
}
