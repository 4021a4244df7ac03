import { EventEmitter } from 'node:events';
import type { Observable } from 'rxjs';
import { type Certificates, CertificateWatch } from './certificates.js';
import type { CloseReason, PartReason } from './closing.js';
import type { Clock } from './clock.js';
import type { ConnectionInfo, ConnectionState } from './connection-info.js';
import { CONTROL_ID, type ConnectionId, isConnectionId } from './connection-id.js';
import {
  labelOf,
  NpwsAbortedError,
  NpwsBadIdError,
  NpwsClosedError,
  NpwsDrainingError,
  NpwsOptionsError,
  NpwsTimeoutError,
  NpwsTooManyWaitersError,
  type PoolRole,
  type PoolSnapshot,
  withoutLabel,
} from './errors.js';
import { Custody } from './custody.js';
import { IdleStore } from './idle-store.js';
import type { Link, LinkEnd } from './link.js';
import type { ResolvedClientOptions } from './client-options.js';
import type { ResolvedServerOptions } from './server-options.js';
import type { Distribution } from './histogram.js';
import { Measures, type Timed } from './measures.js';
import type { PoolEvents } from './pool-events.js';
import type { Random } from './random.js';
import { Retirement } from './retirement.js';
import type { TlsUpdate } from './tls-options.js';
import { observeStats, type Failure, type Health, type PoolState, type PoolStats } from './stats.js';
import { reportUncaught } from './uncaught.js';
import {
  type CheckedWait,
  parseWait,
  refuseToWait,
  type Wait,
  Waiter,
  type WaitErrors,
  Waiters,
} from './waiters.js';

/** A host (name or address, without brackets) and a port. */
export interface Address {
  /** A name or an address, IPv6 without brackets. */
  readonly host: string;
  /** From 1 to 65,535. */
  readonly port: number;
}

/**
 * What both roles share: the methods that applications call, the counts and the events. `C` is what an application
 * gets to hold.
 */
export abstract class Pool<C> extends EventEmitter<PoolEvents> implements AsyncDisposable {
  /** Whether the pool dials or listens. */
  abstract readonly role: PoolRole;
  /** The pool's numbers: at once, then after each change, at most ten times a second, until the pool closes. */
  readonly stats$: Observable<PoolStats>;

  protected readonly store: IdleStore<Link<C>>;
  protected readonly waiters: Waiters<C>;
  protected readonly custody: Custody<C>;
  protected state: PoolState = 'new';
  protected lastFailure: Failure | null = null;

  readonly #retirement: Retirement<Link<C>>;
  readonly #certificateWatch: CertificateWatch | undefined;
  readonly #readyWaiters = new Set<Waiter<void>>();
  #errors = 0;
  #drainedAt = 0;
  #lastArrival = -Infinity;
  #closing: Promise<void> | undefined;

  /** @internal */
  constructor(
    /** The pool's name in logs, errors and `stats()`. */
    readonly name: string,
    protected readonly options: ResolvedClientOptions | ResolvedServerOptions,
    /** Null for plain ws. */
    private readonly certificates: Certificates | null,
    protected readonly clock: Clock,
    protected readonly random: Random,
    protected readonly measures = new Measures(),
  ) {
    super();
    // Any number may listen: every subscription of `stats$` does.
    this.setMaxListeners(0);
    this.store = new IdleStore(options.reserveControl);
    this.waiters = new Waiters(clock);
    this.custody = new Custody(this.store, this.waiters, options, clock, {
      returned: (link) => {
        const why = this.state === 'running' ? null : 'drained';
        const isOver = this.#retirement.isOver(link);
        this.renew(link, why ?? (isOver ? 'retired' : null));
      },
      putDown: (since) => {
        measures.timed('use', since, this.clock.now());
      },
      ended: (link, end, was, why) => {
        this.tell('disconnect', { id: link.id, peer: link.peer, used: was === 'used', why, ...end });
        this.ended(link, end, was, why);
      },
      forgotten: (link) => {
        this.#retirement.forget(link);
        this.forget(link);
      },
      changed: () => {
        this.#changed();
      },
    });
    this.#retirement = new Retirement(
      options,
      clock,
      random,
      () => this.store.allForAnyone(),
      (links) => {
        this.custody.partStored(links, 'retired');
      },
    );
    if (certificates) {
      this.#certificateWatch = new CertificateWatch(certificates, clock, {
        reloaded: () => {
          this.tell('tlsUpdate', { by: 'tlsFiles' });
        },
        failed: (message) => {
          this.tell('warning', `the certificates stay as they are: ${withoutLabel(message, this.label)}`);
        },
      });
    }
    measures.onTimed = (what, ms) => {
      this.tell('timed', what, ms);
    };
    this.stats$ = observeStats(this, clock);
  }

  /** Starts dialling or listening. Idempotent. */
  abstract start(): Promise<void>;
  /** How many idle connections the pool aims at (client) or allows (server). */
  abstract capacity(): number;
  /** The pause between two rounds of dialling in milliseconds; 0 for a server. */
  abstract interval(): number;
  /** Where a server listens (null when it does not), or what a client dials. */
  abstract address(): Address | null;
  /** Whether the pool can serve: a client has a live connection, a server listens. */
  abstract ready(): boolean;
  /** Whether the pool is fit to serve and, if not, why. */
  abstract health(): Health;

  /** Connections being set up: dials in flight and links given back, or slots reserved. */
  protected abstract connecting(): number;
  protected abstract minCapacity(): number;
  /** Something left idle or somebody waits: the role may want to act. */
  protected abstract supply(): void;
  /** Nothing more comes over a link, which was in this state until then. */
  protected abstract ended(link: Link<C>, end: LinkEnd, was: ConnectionState, why: CloseReason): void;
  /** A link is gone for good. */
  protected abstract forget(link: Link<C>): void;
  /** A link has come back from a use: has it named anew, or closes it if there is a reason to. */
  protected abstract renew(link: Link<C>, why: PartReason | null): void;
  /** Stops setting up connections. */
  protected abstract stopSupply(): void;
  /** Gives back what the role holds besides links. */
  protected abstract release(): Promise<void>;

  /**
   * Takes the connection that the peer named `id`, waiting for it if need be.
   * Rejects with an `NpwsError`: `ERR_NPWS_BAD_ID`, `_TIMEOUT`, `_ABORTED`, `_CLOSED`, `_DRAINING`, `_TOO_MANY_WAITERS`.
   */
  async outgoingGet(id: string, wait?: Wait): Promise<C> {
    if (!isConnectionId(id)) throw new NpwsBadIdError(this.label, id);
    return this.#get(id, wait);
  }

  /** Takes the connection that has been idle longest, waiting for one if need be. Rejects as `outgoingGet` does. */
  async incomingGet(wait?: Wait): Promise<C> {
    return this.#get(undefined, wait);
  }

  /** Resolves as soon as `ready()`. Rejects on time-out with the last failure to dial or listen as `cause`. */
  async whenReady(wait?: Wait): Promise<void> {
    const checked = parseWait(this.label, wait, this.options.acquireTimeout);
    this.#refuseIfOver();
    if (this.ready() && !checked.signal?.aborted) return;
    const errors = this.#waitErrors(this.role === 'client' ? 'connection' : 'listener', checked);
    refuseToWait(checked, errors);
    const waiter = new Waiter<void>(checked, this.clock, errors, () => this.#readyWaiters.delete(waiter));
    this.#readyWaiters.add(waiter);
    await waiter.promise;
  }

  /** The number of live idle connections at this moment. */
  active(): number {
    return this.store.active;
  }

  /** Counts an error of the application's own; `error` is for those who listen to 'errorAdded'. */
  addError(error?: Error): void {
    this.#countError();
    this.tell('errorAdded', error ?? null);
    this.tell('change');
  }

  /** What the application added and what failed of our own since the last reset: dials, hand-shakes, the listener. */
  errorCount(): number {
    return this.#errors;
  }

  /** Sets `errorCount()` to 0. */
  resetError(): void {
    this.#errors = 0;
    this.tell('change');
  }

  /**
   * Closes the idle connections (1000) and refills at once; returns how many were closed.
   * Streams in use, waiters, capacity and interval stay.
   */
  flush(): number {
    return this.custody.partIdle('flushed');
  }

  /**
   * Uses other certificates in new connections from now on, without a restart: `key`, `cert`, `ca` and the like. What
   * is not named stays, and so does what an `SNICallback` returns; connections that are open are not touched.
   * Throws `NpwsOptionsError`, and then nothing changes; `NpwsClosedError` when the pool is closed.
   */
  updateTls(tls: TlsUpdate): void {
    if (this.state === 'closed') throw new NpwsClosedError(this.label, 'it is closed');
    if (!this.certificates) {
      throw new NpwsOptionsError(this.label, ['updateTls: it speaks plain ws, there is no TLS to update']);
    }
    this.certificates.update(tls);
    this.tell('tlsUpdate', { by: 'updateTls' });
  }

  /**
   * Begins the shutdown: waiters are rejected, idle connections closed (1001), new ones refused; streams in use go on.
   * Idempotent.
   */
  drain(): void {
    if (this.state === 'draining' || this.state === 'closed') return;
    this.state = 'draining';
    this.#drainedAt = this.clock.now();
    this.stopSupply();
    this.#retirement.stop();
    this.watchCertificates(false);
    const error = new NpwsDrainingError(this.label);
    this.waiters.failAll(error);
    for (const waiter of this.#readyWaiters) waiter.fail(error);
    this.custody.partUnused('drained');
    this.tell('drain');
    this.tell('change');
  }

  /**
   * Drains, lets streams in use finish within `drainTimeout` from then on, then cuts what is left so that its readers
   * see an error.
   * Resolves when nothing remains; always the same promise.
   */
  close(): Promise<void> {
    // First, as its listeners may close the pool too.
    this.drain();
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** `await using` closes the pool. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** The pool's numbers at this moment. */
  stats(): PoolStats {
    const capacity = this.capacity();
    return {
      role: this.role,
      name: this.name,
      state: this.state,
      active: this.active(),
      owed: this.store.owed,
      used: this.custody.used,
      connecting: this.connecting(),
      waiting: this.waiters.size,
      capacity,
      minCapacity: this.minCapacity(),
      maxCapacity: this.options.maxCapacity,
      interval: this.interval(),
      utilization: this.active() / capacity,
      errors: this.#errors,
      rejected: Object.values(this.measures.rejections).reduce((sum, count) => sum + count),
      evicted: this.custody.evicted,
      takes: { ...this.measures.takes },
      opened: this.custody.opened,
      reused: this.custody.reused,
      closed: this.custody.closed,
      dialFailures: { ...this.measures.dialFailures },
      rejections: { ...this.measures.rejections },
      bytes: { ...this.measures.traffic },
      errorsEver: this.measures.errors,
      times: this.measures.times(this.clock.now()),
      lastDialError: this.lastFailure && {
        code: this.lastFailure.error.code,
        message: this.lastFailure.error.message,
        age: this.clock.now() - this.lastFailure.at,
      },
    };
  }

  /** The live connections, those in use first, then the others, the oldest first; no more than `most`. */
  connections(most = Infinity): readonly ConnectionInfo[] {
    return this.custody.all(most);
  }

  /** How long waits, dials, uses and pings took since the pool was made: for exporters. `stats().times` has the gist. */
  distributions(): Readonly<Record<Timed, Distribution>> {
    return this.measures.distributions();
  }

  /** Tells what is odd about the options. */
  protected warn(): void {
    for (const warning of this.options.warnings) this.tell('warning', warning);
  }

  /** Looks after the certificate files of a running pool, or does so no more. Idempotent. */
  protected watchCertificates(isOn: boolean): void {
    // A listener may have closed the pool.
    if (isOn && this.state === 'running') this.#certificateWatch?.start();
    else this.#certificateWatch?.stop();
  }

  /** A link is named: it is new, or comes back. */
  protected arrive(link: Link<C>): void {
    const isNew = link.keeper !== this.custody;
    this.#lastArrival = this.clock.now();
    this.custody.arrive(link);
    if (link.renewable) this.#retirement.rest(link);
    this.tell(isNew ? 'connect' : 'reuse', { id: link.id, peer: link.peer });
    this.becomeReady();
    this.#changed();
  }

  /** Tells those who wait for readiness, if it has come. */
  protected becomeReady(): void {
    if (!this.ready()) return;
    for (const waiter of this.#readyWaiters) waiter.succeed();
  }

  /** Why the errors counted so far make the pool unfit, or null. */
  protected tooManyErrors(): string | null {
    const { maxErrors } = this.options;
    return this.#errors > maxErrors ? `${this.#errors} errors, more than maxErrors (${maxErrors})` : null;
  }

  /** Whether anything is live that an application has or could take. */
  protected isAlive(): boolean {
    return this.store.active + this.store.owed + this.custody.used + this.custody.nameless > 0;
  }

  /** Notes a failure of our own; `counts` is false for a server that is merely full. */
  protected fail(failure: Failure, counts: boolean): void {
    this.lastFailure = failure;
    if (counts) this.#countError();
  }

  #countError(): void {
    this.#errors++;
    this.measures.errors++;
  }

  protected get label(): string {
    return labelOf(this.role, this.name);
  }

  /** Emits an event. A listener that throws is reported as uncaught, but can upset neither the pool nor other listeners. */
  protected tell<K extends keyof PoolEvents>(event: K, ...args: PoolEvents[K]): void {
    if (this.listenerCount(event) === 0) return;
    // One by one, as `emit` would leave out those behind one that throws.
    for (const listener of this.rawListeners(event)) {
      try {
        Reflect.apply(listener, this, args);
      } catch (error) {
        reportUncaught(error);
      }
    }
  }

  #get(id: ConnectionId | undefined, wait: Wait | undefined): C | Promise<C> {
    const checked = parseWait(this.label, wait, this.options.acquireTimeout);
    const since = this.clock.now();
    const connection = this.#isOver || checked.signal?.aborted ? undefined : this.custody.take(id, since);
    if (connection !== undefined) {
      this.measures.takes.immediate++;
      this.measures.timed('wait', since, since);
      this.#changed();
      return connection;
    }
    const promise = this.#wait(id, checked);
    // Before the caller goes on.
    promise.then(
      () => {
        this.measures.takes.waited++;
        this.measures.timed('wait', since, this.clock.now());
        this.tell('change');
      },
      (error: unknown) => {
        this.measures.missed(error);
        this.tell('change');
      },
    );
    return promise;
  }

  async #wait(id: ConnectionId | undefined, wait: CheckedWait): Promise<C> {
    this.#refuseIfOver();
    const errors = this.#waitErrors(id === undefined ? 'idle connection' : `connection ${id}`, wait, id);
    refuseToWait(wait, errors);
    if (this.waiters.size >= this.options.maxWaiters) {
      throw new NpwsTooManyWaitersError(this.label, this.options.maxWaiters);
    }
    const promise = this.waiters.join(id, wait, errors);
    this.#changed();
    return promise;
  }

  get #isOver(): boolean {
    return this.state === 'draining' || this.state === 'closed';
  }

  #refuseIfOver(): void {
    if (this.state === 'closed') throw new NpwsClosedError(this.label);
    if (this.state === 'draining') throw new NpwsDrainingError(this.label);
  }

  #waitErrors(awaited: string, { timeout }: CheckedWait, id?: ConnectionId): WaitErrors {
    return {
      timedOut: () =>
        new NpwsTimeoutError(this.label, awaited, timeout, this.#snapshot(), this.#whyInVain(id)),
      aborted: (reason) => new NpwsAbortedError(this.label, awaited, reason),
    };
  }

  /** What whoever waited in vain should look at. */
  #whyInVain(id: ConnectionId | undefined): string {
    if (this.state === 'new') return 'It is not running yet: was start() called, and has it resolved?';
    if (id === CONTROL_ID)
      return 'Is the other end there, and was it taken before? Only reserveControl, at both ends, issues it again.';
    if (id !== undefined)
      return 'Is it the ID of a connection of the other end, of the same pair of pools, and not taken yet?';
    if (this.role === 'server' && !this.ready()) return 'Its listener was closed: call start() again.';
    return this.role === 'client'
      ? 'Is the server up, and do minCapacity and minInterval meet the demand?'
      : 'Is a client connected, and do its minCapacity and minInterval meet the demand?';
  }

  #changed(): void {
    if (this.state === 'running') this.supply();
    this.tell('change');
  }

  #snapshot(): PoolSnapshot {
    // What has been mended is not to blame.
    const failure = this.lastFailure && this.lastFailure.at >= this.#lastArrival ? this.lastFailure : null;
    return {
      idle: this.active(),
      used: this.custody.used,
      waiting: this.waiters.size,
      capacity: this.capacity(),
      lastError: failure?.error ?? null,
      lastErrorAge: failure && this.clock.now() - failure.at,
    };
  }

  async #close(): Promise<void> {
    // Nest closes one module after the other: those who drain together do not wait one after the other.
    const elapsed = this.clock.now() - this.#drainedAt;
    await this.custody.empty(Math.max(0, this.options.drainTimeout - elapsed));
    const { drainTimeout } = this.options;
    const what = `it was closed while this connection was in use (drainTimeout ${drainTimeout} ms)`;
    this.custody.cutUsed(new NpwsClosedError(this.label, what));
    await Promise.all([this.custody.empty(Infinity), this.release()]);
    this.state = 'closed';
    this.tell('close');
  }
}
