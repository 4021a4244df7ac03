import type { Certificates } from './certificates.js';
import type { Clock } from './clock.js';
import type { PartReason } from './closing.js';
import { CONTROL_ID, type ConnectionId, IdIssuer } from './connection-id.js';
import { NpwsClosedError, NpwsListenError, withoutLabel } from './errors.js';
import type { Link } from './link.js';
import type { ResolvedServerOptions } from './server-options.js';
import type { Measures } from './measures.js';
import { type Address, Pool } from './pool.js';
import type { RejectEvent } from './pool-events.js';
import type { Random } from './random.js';
import { type Health, healthOf } from './stats.js';

/** A place in the pool that is promised to one connection being set up. To be spent, once: filled or released. */
export interface Slot<C> {
  readonly id: ConnectionId;
  /** The peer has been told its ID: the link is the pool's. */
  fill(link: Link<C>): void;
  /** The connection did not come about. */
  release(): void;
}

/** What a listener may ask and tell of its pool. */
export interface Gate<C> {
  /** A slot, or undefined when the pool is full or shutting down. */
  reserve(): Slot<C> | undefined;
  /** Somebody was refused before the upgrade. */
  rejected(event: RejectEvent): void;
  /** The listener failed but may go on. */
  failed(error: NpwsListenError): void;
  /** It listens, for the first time or again. */
  opened(): void;
  /** The listener stopped although nobody here closed it. */
  stopped(): void;
}

/** Something that listens. */
export interface Listening {
  /** What clients dial, for people. */
  readonly url: string;
  /** The local address, for programs; null while there is none. */
  readonly address: Address | null;
  /** False once somebody else has closed it: it may be a while until the last connection has gone and `stopped` is told. */
  readonly isOpen: boolean;
  /** Stops listening and drops whoever is not yet in the pool. */
  close(): Promise<void>;
}

/** Begins to listen for a pool. Rejects with `NpwsListenError`. */
export type Listen<C> = (gate: Gate<C>) => Promise<Listening>;

/** The server's side: lets connections in, up to its maximum of idle ones, and names them. */
export class ServerPool<C> extends Pool<C> {
  /** This pool listens. */
  readonly role = 'server';
  readonly #issuer: IdIssuer;
  /** The IDs of all live connections, those in use included, and whose they are; of those being set up, nobody's yet (I5). */
  readonly #names = new Map<ConnectionId, Link<C> | null>();
  readonly #reserved = new Set<ConnectionId>();
  #starting: Promise<void> | undefined;
  #listening: Listening | undefined;

  /** @internal */
  constructor(
    name: string,
    protected override readonly options: ResolvedServerOptions,
    private readonly listen: Listen<C>,
    certificates: Certificates | null,
    clock: Clock,
    random: Random,
    measures?: Measures,
  ) {
    super(name, options, certificates, clock, random, measures);
    this.#issuer = new IdIssuer(random, options.reserveControl);
  }

  /** Resolves once the pool listens. Rejects with `NpwsListenError` when it can't; then it may be called again. */
  override start(): Promise<void> {
    this.#starting ??= this.#start().catch((error: unknown) => {
      this.#starting = undefined;
      throw error;
    });
    return this.#starting;
  }

  override address(): Address | null {
    return this.#listening?.address ?? null;
  }

  override capacity(): number {
    return this.options.maxCapacity;
  }

  override interval(): number {
    return 0;
  }

  override ready(): boolean {
    return this.state === 'running' && this.#isListening();
  }

  override health(): Health {
    if (this.state === 'draining' || this.state === 'closed') return healthOf(this.state, null);
    if (!this.#isListening())
      return healthOf(withoutLabel(this.lastFailure?.error.message ?? 'not listening', this.label), null);
    return healthOf(this.tooManyErrors(), this.isAlive() ? null : 'no client is connected');
  }

  #isListening(): boolean {
    return this.#listening?.isOpen ?? false;
  }

  protected override connecting(): number {
    return this.#reserved.size;
  }

  protected override minCapacity(): number {
    return this.options.maxCapacity;
  }

  protected override supply(): void {
    // A server can only wait for its clients to dial.
  }

  protected override ended(): void {
    // Its client dials another.
  }

  protected override forget(link: Link<C>): void {
    if (this.#unname(link)) this.#makeWayForControl();
  }

  /** Names a link at once, or closes it: the client waits. */
  protected override renew(link: Link<C>, why: PartReason | null): void {
    const wasControl = this.#unname(link);
    const slot = why === null ? this.#reserve() : undefined;
    if (slot) {
      link.name(slot.id);
      slot.fill(link);
    } else {
      this.custody.part(link, why ?? 'surplus');
    }
    if (wasControl && slot?.id !== CONTROL_ID) this.#makeWayForControl();
  }

  /** Frees a link's name. Whether it was that of the control connection. A name may be another link's by now. */
  #unname(link: Link<C>): boolean {
    if (this.#names.get(link.id) !== link) return false;
    this.#names.delete(link.id);
    return link.id === CONTROL_ID;
  }

  /** The lost control ID goes to the next connection. A client that is full would not dial one: make it. */
  #makeWayForControl(): void {
    const idle = this.store.oldestIdle;
    if (this.options.reserveControl && this.state === 'running' && idle) this.custody.part(idle, 'replaced');
  }

  protected override stopSupply(): void {
    // The listener stays until `release`: whoever dials meanwhile gets a 503.
  }

  protected override async release(): Promise<void> {
    await this.#starting?.catch(() => undefined);
    const listening = this.#listening;
    this.#listening = undefined;
    if (listening) await listening.close();
    // One that was given to a pool that never came to use it is closed all the same.
    else this.options.listener?.close();
  }

  async #start(): Promise<void> {
    if (this.state === 'draining' || this.state === 'closed') throw new NpwsClosedError(this.label);
    this.warn();
    try {
      this.#listening = await this.listen(this.#gate());
    } catch (cause) {
      const error =
        cause instanceof NpwsListenError
          ? cause
          : new NpwsListenError(`${this.label}: can't listen: ${(cause as Error).message}`, { cause });
      this.#listenerFailed(error);
      throw error;
    }
    if (this.state === 'new') this.state = 'running';
    this.watchCertificates(true);
    const { maxCapacity, clientIP } = this.options;
    this.tell('listening', { url: this.#listening.url, maxCapacity, clientIP });
    this.becomeReady();
    this.tell('change');
  }

  #gate(): Gate<C> {
    return {
      reserve: () => this.#reserve(),
      rejected: (event) => {
        this.measures.rejections[event.why]++;
        this.tell('reject', event);
        this.tell('change');
      },
      failed: (error) => {
        this.#listenerFailed(error);
      },
      opened: () => {
        this.becomeReady();
        this.tell('change');
      },
      stopped: () => {
        this.#listening = undefined;
        this.#starting = undefined;
        this.watchCertificates(false);
        this.tell('change');
      },
    };
  }

  #listenerFailed(error: NpwsListenError): void {
    this.fail({ error, at: this.clock.now() }, true);
    this.tell('listenError', error);
    this.tell('change');
  }

  #reserve(): Slot<C> | undefined {
    if (this.state === 'draining' || this.state === 'closed') return undefined;
    const id = this.#issuer.issue((name) => this.#names.has(name));
    if (id === undefined) {
      this.addError();
      return undefined;
    }
    if (this.store.isForAnyone(id) && this.#filled() >= this.options.maxCapacity) return undefined;
    this.#names.set(id, null);
    this.#reserved.add(id);
    return {
      id,
      fill: (link) => {
        this.#reserved.delete(id);
        this.#issuer.spent(id);
        this.#names.set(id, link);
        if (this.state === 'draining' || this.state === 'closed') this.custody.part(link, 'drained');
        else this.arrive(link);
      },
      release: () => {
        if (!this.#reserved.delete(id)) return;
        this.#names.delete(id);
        this.tell('change');
      },
    };
  }

  /** Idle, owed and promised connections: what may not exceed the maximum (I6). */
  #filled(): number {
    const promised = [...this.#reserved].filter((id) => this.store.isForAnyone(id)).length;
    return this.store.filled + promised;
  }
}
