import type { BeforeApplicationShutdown, OnModuleDestroy, OnModuleInit } from '@nestjs/common';
import { NEVER, type Observable } from 'rxjs';
import { NpwsNotConfiguredError, type PoolRole } from '../core/errors.js';
import type { ConnectionInfo } from '../core/connection-info.js';
import type { Distribution } from '../core/histogram.js';
import { LOG_LEVELS, type ResolvedLogOptions } from '../core/log-options.js';
import type { Timed } from '../core/measures.js';
import type { Address, Pool } from '../core/pool.js';
import type { PoolEvents } from '../core/pool-events.js';
import type { Health, PoolStats } from '../core/stats.js';
import type { TlsUpdate } from '../core/tls-options.js';
import type { Wait } from '../core/waiters.js';
import type { PoolConnection } from '../transport/connection.js';
import { logPool } from './pool-logger.js';

/**
 * A pool as a Nest provider: it starts when its module is initialised, drains when the application begins to stop and
 * is closed before the HTTP server is (else one open connection would keep `app.close()` from ending).
 * A role that was not configured has no pool: its counts are 0 and its gets reject with `ERR_NPWS_NOT_CONFIGURED`.
 */
export abstract class PoolService
  implements OnModuleInit, OnModuleDestroy, BeforeApplicationShutdown, AsyncDisposable
{
  /** As `Pool.stats$`; of a role that was not configured nothing comes. */
  readonly stats$: Observable<PoolStats>;
  #startedAt: number | undefined;

  constructor(
    /** The module's name for this pool. */
    readonly name: string,
    /** Whether the pool dials or listens. */
    readonly role: PoolRole,
    private readonly pool: Pool<PoolConnection> | null,
    private readonly autoStart: boolean,
    logs: ResolvedLogOptions = LOG_LEVELS,
  ) {
    this.stats$ = pool?.stats$ ?? NEVER;
    if (pool) logPool(pool, logs, () => this.#startedAt ?? performance.now());
  }

  /** Whether this role was configured. */
  get isConfigured(): boolean {
    return this.pool !== null;
  }

  /**
   * Takes the connection that the peer named `id`, waiting for it if need be (default `acquireTimeout`).
   * Rejects with an `NpwsError`: `ERR_NPWS_BAD_ID`, `_TIMEOUT`, `_ABORTED`, `_CLOSED`, `_DRAINING`, `_TOO_MANY_WAITERS`.
   */
  outgoingGet(id: string, wait?: Wait): Promise<PoolConnection> {
    return this.pool?.outgoingGet(id, wait) ?? this.#unconfigured();
  }

  /** Takes the connection that has been idle longest, waiting for one if need be. Rejects as `outgoingGet` does. */
  incomingGet(wait?: Wait): Promise<PoolConnection> {
    return this.pool?.incomingGet(wait) ?? this.#unconfigured();
  }

  /** Resolves as soon as `ready()`. Rejects on time-out with the last failure to dial or listen as `cause`. */
  async whenReady(wait?: Wait): Promise<void> {
    if (!this.pool) return this.#unconfigured();
    // Nest may initialise whoever asks before this module (global modules come first): it must not wait for itself.
    const isDue = this.autoStart && this.pool.stats().state === 'new';
    await Promise.all([this.pool.whenReady(wait), isDue && this.start()]);
  }

  /** The number of live idle connections at this moment. */
  active(): number {
    return this.pool?.active() ?? 0;
  }

  /** How many idle connections a client aims at; a server's maximum. */
  capacity(): number {
    return this.pool?.capacity() ?? 0;
  }

  /** The pause between two rounds of dialling in milliseconds; 0 for a server. */
  interval(): number {
    return this.pool?.interval() ?? 0;
  }

  /** Whether the pool can serve: a client has a live connection, a server listens. */
  ready(): boolean {
    return this.pool?.ready() ?? false;
  }

  /** Counts an error of the application's own. */
  addError(error?: Error): void {
    this.pool?.addError(error);
  }

  /** What the application added and what failed of our own since the last reset: dials, hand-shakes, the listener. */
  errorCount(): number {
    return this.pool?.errorCount() ?? 0;
  }

  /** Sets `errorCount()` to 0. */
  resetError(): void {
    this.pool?.resetError();
  }

  /** Starts dialling or listening; for `autoStart: false`. Idempotent. A server's resolves once it listens. */
  start(): Promise<void> {
    this.#startedAt ??= performance.now();
    return this.pool?.start() ?? Promise.resolve();
  }

  /** Closes the idle connections and refills at once; returns how many were closed. Streams in use go on. */
  flush(): number {
    return this.pool?.flush() ?? 0;
  }

  /**
   * Uses other certificates in new connections from now on, without a restart: see `Pool.updateTls`.
   * Throws `NpwsOptionsError`, or `NpwsNotConfiguredError` when this role was not configured.
   */
  updateTls(tls: TlsUpdate): void {
    if (!this.pool) throw new NpwsNotConfiguredError(this.name, this.role);
    this.pool.updateTls(tls);
  }

  /** Drains and closes the pool: see `Pool.close`. Always the same promise. */
  close(): Promise<void> {
    return this.pool?.close() ?? Promise.resolve();
  }

  /** `await using` closes the pool. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** The pool's numbers at this moment; null for a role that was not configured. */
  stats(): PoolStats | null {
    return this.pool?.stats() ?? null;
  }

  /** The live connections: see `Pool.connections`; none for a role that was not configured. */
  connections(most = Infinity): readonly ConnectionInfo[] {
    return this.pool?.connections(most) ?? [];
  }

  /** How long waits, dials, uses and pings took: see `Pool.distributions`; null for a role that was not configured. */
  distributions(): Readonly<Record<Timed, Distribution>> | null {
    return this.pool?.distributions() ?? null;
  }

  /** Whether the pool is fit to serve and, if not, why; null for a role that was not configured. */
  health(): Health | null {
    return this.pool?.health() ?? null;
  }

  /** Where a server listens, or what a client dials; null when there is neither. */
  address(): Address | null {
    return this.pool?.address() ?? null;
  }

  /** Listens to the pool: see `PoolEvents` for names and arguments. */
  on<K extends keyof PoolEvents>(event: K, listener: (...args: PoolEvents[K]) => void): this {
    this.pool?.on(event, listener as never);
    return this;
  }

  /** Listens to the pool's next such event. */
  once<K extends keyof PoolEvents>(event: K, listener: (...args: PoolEvents[K]) => void): this {
    this.pool?.once(event, listener as never);
    return this;
  }

  /** Stops listening. */
  off<K extends keyof PoolEvents>(event: K, listener: (...args: PoolEvents[K]) => void): this {
    this.pool?.off(event, listener as never);
    return this;
  }

  /** Nest calls it at boot: starts the pool, unless `autoStart` is false. */
  async onModuleInit(): Promise<void> {
    if (this.autoStart) await this.start();
  }

  /** Nest calls it when the application begins to stop: drains the pool. */
  onModuleDestroy(): void {
    this.pool?.drain();
  }

  /** Nest calls it before the HTTP server closes: closes the pool. */
  async beforeApplicationShutdown(): Promise<void> {
    await this.close();
  }

  #unconfigured(): Promise<never> {
    return Promise.reject(new NpwsNotConfiguredError(this.name, this.role));
  }
}
