import { adjustCapacity, adjustInterval, LOW } from './adjust.js';
import { Backoff } from './backoff.js';
import type { Certificates } from './certificates.js';
import type { Cancel, Clock } from './clock.js';
import type { CloseReason, PartReason } from './closing.js';
import { CONTROL_ID } from './connection-id.js';
import type { ConnectionState } from './connection-info.js';
import { type NpwsError, NpwsHandshakeError, withoutLabel } from './errors.js';
import { Doubt, PROOF } from './doubt.js';
import type { Link, LinkEnd } from './link.js';
import { onOneLine } from './one-line.js';
import type { ResolvedClientOptions } from './client-options.js';
import { dialFailureOf, type Measures } from './measures.js';
import { type Address, Pool } from './pool.js';
import type { Random } from './random.js';
import { type Health, healthOf } from './stats.js';

/** How a dial ends: one of these is called, once, never during the call of `Dial` itself. */
export interface DialEvents<C> {
  /** The server has named the link. */
  arrived(link: Link<C>): void;
  failed(error: NpwsError): void;
}

/** Dials one connection. Calling what it returns gives the dial up: then neither event comes. */
export type Dial<C> = (events: DialEvents<C>) => Cancel;

/** How long a client without any live connection may be without a fresh dial, in milliseconds, until its health is down. */
const STALE_DIAL = 5_000;

/** How often links that can come back from their use are replaced by dials while enough are idle, in milliseconds. */
const PATIENCE = 1_000;

/**
 * The client's side: keeps `capacity` connections idle by dialling, round after round, and follows demand by NPWS's
 * rules. Three things are better: dials wait for nobody, hunger ends the pause between rounds, failures slow it down.
 */
export class ClientPool<C> extends Pool<C> {
  /** This pool dials. */
  readonly role = 'client';
  #capacity: number;
  #interval: number;
  /** Connections that were named, for the first time or anew, since the last adjustment. */
  #created = 0;
  /** Dials that the last round asked for and that wait for a free place. */
  #planned = 0;
  readonly #inFlight = new Set<Cancel>();
  #lastDial: number | undefined;
  /** The live connection that bears the control ID, whoever holds it. */
  #control: Link<C> | undefined;
  #outage: Backoff | undefined;
  /** Whether what dials bring lasts. */
  readonly #doubt: Doubt<C>;
  /** Why dials fail, as far as it was told. */
  #toldCause: string | undefined;
  /** How many were idle when the server last said that it is full. */
  #idleWhenFull: number | undefined;
  #lastRound: number | undefined;
  /** When links in use were last replaced by dials. */
  #lastReplaced = -Infinity;
  /** When a dial that could have brought a lost control connection brought another, if that still has its place. */
  #controlMissed = -Infinity;
  #nextRound: { at: number; cancel: Cancel } | undefined;

  /** @internal */
  constructor(
    name: string,
    protected override readonly options: ResolvedClientOptions,
    private readonly dial: Dial<C>,
    certificates: Certificates | null,
    clock: Clock,
    random: Random,
    measures?: Measures,
  ) {
    super(name, options, certificates, clock, random, measures);
    this.#doubt = new Doubt(clock);
    this.#capacity = options.minCapacity;
    this.#interval = options.minInterval;
  }

  /** Starts to dial. Does not wait for the far side: see `whenReady()`. */
  override start(): Promise<void> {
    if (this.state === 'new') {
      this.state = 'running';
      this.warn();
      this.#round();
      this.watchCertificates(true);
    }
    return Promise.resolve();
  }

  override flush(): number {
    const closed = super.flush();
    this.#refill();
    return closed;
  }

  override address(): Address {
    const { host, port } = this.options;
    return { host, port };
  }

  override capacity(): number {
    return this.#capacity;
  }

  override interval(): number {
    return this.#interval;
  }

  override ready(): boolean {
    return this.state === 'running' && this.isAlive();
  }

  override health(): Health {
    if (this.state !== 'running') return healthOf(this.state === 'new' ? 'not started' : this.state, null);
    const problem = this.#problem();
    return this.isAlive()
      ? healthOf(this.tooManyErrors(), problem)
      : healthOf(problem ?? this.tooManyErrors(), null);
  }

  /**
   * What keeps connections from coming, or null. A server that is full is no problem: those that are there serve. Nor is a
   * failed dial that none had to follow, as what was missing came back by itself.
   */
  #problem(): string | null {
    const isMissed = this.#outage !== undefined && (!this.#outage.isDue || this.#need() > 0);
    if (isMissed && this.lastFailure && !(this.isAlive() && isBusy(this.lastFailure.error)))
      return withoutLabel(this.lastFailure.error.message, this.label);
    const isStale = this.#lastDial === undefined || this.clock.now() - this.#lastDial > STALE_DIAL;
    if (this.isAlive() || !isStale) return null;
    return `no connection, and no dial for ${STALE_DIAL / 1000} s: see maxInterval`;
  }

  /** A link given back is a dial whose hand-shake is done. */
  protected override connecting(): number {
    return this.#inFlight.size + this.custody.nameless;
  }

  protected override minCapacity(): number {
    return this.options.minCapacity;
  }

  /** Wakes the manager when the pool is hungry, but no sooner than `minInterval` after its last round. */
  protected override supply(): void {
    if (this.#outage) {
      this.#hurryIfThereIsRoom(this.#outage);
      if (this.#outage.isDue) this.#refill();
      return;
    }
    if (!this.#isHungry() || this.#need() <= 0) return;
    this.#schedule((this.#lastRound ?? 0) + this.options.minInterval);
  }

  protected override ended(link: Link<C>, end: LinkEnd, was: ConnectionState, why: CloseReason): void {
    const probed = this.#doubt.isOnTrial(link) ? this.#outage : undefined;
    const verdict = this.#doubt.ended(link, end, was, why);
    if (this.state !== 'running') return;
    if (verdict === 'dropped') this.#droppedAtOnce(link, end, probed);
    else if (verdict === 'unproven') probed?.failed();
    else if (verdict === 'proven') this.#proven();
  }

  /** A dial whose connection is lost as soon as it is there has failed. */
  #droppedAtOnce({ peer }: Link<C>, { code, reason, error }: LinkEnd, probed: Backoff | undefined): void {
    const why = reason === '' ? `close code ${code}` : reason;
    const message = `${this.label}: ${peer} named a connection and dropped it at once (${onOneLine(why)})`;
    this.#failed(new NpwsHandshakeError(message, null, error ? { cause: error } : {}), probed);
  }

  protected override forget(link: Link<C>): void {
    if (link === this.#control) this.#control = undefined;
  }

  /** Gives a link back, if it will find room, and takes it for a dial in flight until it is named. */
  protected override renew(link: Link<C>, why: PartReason | null): void {
    this.forget(link);
    this.#doubt.returned(link);
    if (why === null && this.#hasRoom()) this.#giveBack(link);
    else this.custody.part(link, why ?? 'surplus');
    // Last: who hears of it may close the pool.
    if (this.#doubt.isOnTrial(link) && this.state === 'running') this.#proven();
  }

  #giveBack(link: Link<C>): void {
    // The server may be well: where it is slow to read the last use, its next name is late.
    this.custody.awaitName(link, this.options.dialTimeout);
    // No dials for what comes back.
    this.#planned = Math.max(0, Math.min(this.#planned, this.#need()));
    link.giveBack(() => {
      this.#created++;
      this.#noteControl(link);
      this.arrive(link);
    });
  }

  protected override stopSupply(): void {
    this.#planned = 0;
    this.#nextRound?.cancel();
    this.#outage?.cancel();
    for (const giveUp of this.#inFlight) giveUp();
    this.#inFlight.clear();
  }

  protected override release(): Promise<void> {
    return Promise.resolve();
  }

  /** One round of NPWS's manager: adjust to what the last one brought, dial what is missing, pause. */
  #round(): void {
    // A listener may have closed the pool before its first round.
    if (this.state !== 'running') return;
    const { minCapacity, maxCapacity, minInterval, maxInterval } = this.options;
    const before = { capacity: this.#capacity, interval: this.#interval };
    // Before the first round nothing was created, and the capacity is at its minimum already.
    this.#capacity = adjustCapacity(this.#capacity, this.#created, { min: minCapacity, max: maxCapacity });
    this.#interval = adjustInterval(this.#interval, this.store.idle, this.#capacity, {
      min: minInterval,
      max: maxInterval,
    });
    this.#created = 0;
    this.#lastRound = this.clock.now();
    this.#nextRound?.cancel();
    this.#nextRound = undefined;
    this.#schedule(this.#lastRound + this.#interval);
    this.#refill();
    // Told last: a listener may close the pool.
    if (this.#capacity !== before.capacity || this.#interval !== before.interval) {
      this.tell('adjust', { capacity: this.#capacity, interval: this.#interval });
      this.tell('change');
    }
  }

  /** Has the next round at this time, unless it is due sooner. */
  #schedule(at: number): void {
    if (this.#nextRound && this.#nextRound.at <= at) return;
    this.#nextRound?.cancel();
    const cancel = this.clock.after(Math.max(0, at - this.clock.now()), () => {
      this.#round();
    });
    this.#nextRound = { at, cancel };
  }

  /** A full server has room again when connections of ours were taken since it said so. */
  #hurryIfThereIsRoom(outage: Backoff): void {
    if (this.#idleWhenFull === undefined || this.store.idle >= this.#idleWhenFull) return;
    this.#idleWhenFull = this.store.idle;
    outage.restart();
  }

  /** Few are idle, or somebody waits for one that only a dial can bring. */
  #isHungry(): boolean {
    if (this.store.idle < this.#capacity * LOW || this.waiters.inLine > 0) return true;
    return this.#lacksControl() && this.waiters.isNamed(CONTROL_ID);
  }

  /** How many dials are missing. One for a lost control connection comes on top of all others. */
  #need(): number {
    const { maxCapacity } = this.options;
    const { idle } = this.store;
    const waiting = Math.min(this.waiters.inLine, maxCapacity);
    const control = this.#mayTryControl() && idle <= maxCapacity ? 1 : 0;
    return Math.max(this.#capacity - idle, waiting, 0) + control - this.connecting();
  }

  /** Whether a dial may bring a lost control connection: not soon after one was given another name. */
  #mayTryControl(): boolean {
    return this.#lacksControl() && this.clock.now() - this.#controlMissed >= this.options.maxBackoff;
  }

  /** Whether those that are coming, the one just returned among them, fit beside the idle ones (I6). */
  #hasRoom(): boolean {
    const limit = this.options.maxCapacity + (this.#lacksControl() ? 1 : 0);
    return this.store.idle + this.connecting() <= limit;
  }

  #lacksControl(): boolean {
    return this.options.reserveControl && this.#control === undefined;
  }

  /**
   * Where a dial for a lost control connection was given another name, as the server did not know yet of the loss, that
   * one has the place of the next. It makes way, every `maxBackoff`: for ever, if the server never issues it again.
   */
  #makeRoomForControl(): void {
    if (this.#outage?.isDue === false || !this.#mayTryControl()) return;
    // A link that came back and was named has that place only when no other is left.
    const most = this.#controlMissed === -Infinity ? this.options.maxCapacity : this.#capacity;
    this.#controlMissed = -Infinity;
    if (this.store.idle > most) this.custody.partStored(this.store.allForAnyone().slice(-1), 'surplus');
  }

  #refill(): void {
    if (this.state === 'running') this.#makeRoomForControl();
    if (this.state !== 'running') return;
    // Nothing was missing for as long: no dial could show whether connections last.
    if ((this.#outage?.dueFor ?? 0) >= PROOF && this.#inFlight.size === 0) this.#doubt.dispel();
    this.#planned = this.#need() - (this.#mustReplaceAll() ? 0 : this.#comingBack());
    this.#pump();
  }

  /** Whether few are idle, or it is time again: what is held for long does not come back. Notes when that was so. */
  #mustReplaceAll(): boolean {
    const now = this.clock.now();
    if (!this.#isHungry() && now - this.#lastReplaced < PATIENCE) return false;
    this.#lastReplaced = now;
    return true;
  }

  /** How many links in use need no dial in their place: most come back soon, and a dial would take their room. */
  #comingBack(): number {
    // One that the server has begun to use is in use, too.
    return this.custody.renewable + this.store.allOwed().filter(({ renewable }) => renewable).length;
  }

  /** Starts planned dials as far as there is room: one probe at a time while the server is down. */
  #pump(): void {
    const before = this.#inFlight.size;
    while (this.#planned > 0 && this.#inFlight.size < this.options.maxConcurrentDials) {
      if (this.#outage && !this.#outage.isDue) break;
      this.#outage?.probing();
      this.#planned--;
      this.#dialOne(this.#outage);
    }
    if (this.#inFlight.size > before) this.tell('change');
  }

  /** `probed` is the outage that the dial is a probe of: another may be there when it fails. */
  #dialOne(probed: Backoff | undefined): void {
    const since = this.clock.now();
    this.#lastDial = since;
    const giveUp = this.dial({
      arrived: (link) => {
        this.#inFlight.delete(giveUp);
        this.measures.timed('dial', since, this.clock.now());
        this.#succeeded(link, probed);
      },
      failed: (error) => {
        this.#inFlight.delete(giveUp);
        // A server that is gone drops nothing.
        if (dialFailureOf(error) === 'unreachable') this.#doubt.trust();
        this.#failed(error, probed);
      },
    });
    this.#inFlight.add(giveUp);
  }

  #succeeded(link: Link<C>, probed: Backoff | undefined): void {
    if (this.state !== 'running') {
      this.custody.part(link, 'drained');
      return;
    }
    const outage = this.#outage;
    const isOver = outage !== undefined && !this.#doubt.isCast;
    const isPaced = isOver && this.#doubt.settle();
    if (isOver) this.#outage = undefined;
    else if (outage !== undefined && outage === probed) this.#try(link, outage);
    this.#doubt.arrived(link);
    this.#created++;
    this.#noteControl(link);
    this.#controlMissed = this.#lacksControl() ? this.clock.now() : -Infinity;
    this.arrive(link);
    if (isOver) this.#recovered(outage, isPaced);
    else if (!outage) this.#pump();
  }

  #try(link: Link<C>, outage: Backoff): void {
    this.#doubt.try(link);
    outage.watch(PROOF, () => {
      this.#proven();
    });
  }

  /** What a probe brought has lasted, or was of use: connections are no more lost at once, as far as can be seen. */
  #proven(): void {
    const outage = this.#outage;
    const isPaced = this.#doubt.dispel();
    this.#outage = undefined;
    if (outage) this.#recovered(outage, isPaced);
  }

  /** What is missing is dialled at once, or, where it may have been seen too soon, at the usual pace. */
  #recovered(outage: Backoff, isPaced: boolean): void {
    outage.cancel();
    this.tell('recover', { after: this.clock.now() - outage.since, tries: outage.tries });
    if (!isPaced) this.#refill();
    else if (this.state === 'running') this.supply();
  }

  #noteControl(link: Link<C>): void {
    if (link.id === CONTROL_ID) this.#control = link;
  }

  #failed(error: NpwsError, probed: Backoff | undefined): void {
    const isFull = isBusy(error);
    this.measures.dialFailures[dialFailureOf(error)]++;
    this.fail({ error, at: this.clock.now() }, !isFull);
    this.#planned = 0;
    this.#idleWhenFull = isFull ? this.store.idle : undefined;
    const cause = causeOf(error);
    const isNews = this.#outage === undefined || cause !== this.#toldCause;
    this.#toldCause = cause;
    if (!this.#outage) {
      this.#outage = new Backoff(this.options.maxBackoff, this.clock, this.random, () => {
        this.#refill();
      });
    } else if (this.#outage === probed) {
      this.#outage.failed();
    }
    this.tell('dialError', error);
    if (isNews) this.tell('outage', error);
    this.tell('change');
  }
}

/** Whether a server is full, or has as many of ours as it takes: it is well, slows us down, but that is no error. */
function isBusy(error: NpwsError): boolean {
  const why = dialFailureOf(error);
  return why === 'full' || why === 'limited';
}

/** What tells one reason to fail from another. */
function causeOf({ code, cause, ...rest }: NpwsError & { status?: number | null }): string {
  return [code, rest.status, (cause as NodeJS.ErrnoException | undefined)?.code].join(' ');
}
