import type { Cancel, Clock } from './clock.js';
import { type CloseReason, CLOSINGS, noClosings, type PartReason, UNREAD_CODE, UNUSED } from './closing.js';
import { type ConnectionInfo, type ConnectionState, infoOf } from './connection-info.js';
import type { ConnectionId } from './connection-id.js';
import type { IdleStore } from './idle-store.js';
import type { Link, LinkEnd, LinkKeeper } from './link.js';
import type { Waiters } from './waiters.js';

/** What custody tells its pool. */
export interface CustodyListener<C> {
  /** Somebody no longer holds a link that they have held since then. */
  putDown(since: number): void;
  /** A use is over: the link is without a name. */
  returned(link: Link<C>): void;
  /** Nothing more comes over a link, which was in this state until then. */
  ended(link: Link<C>, end: LinkEnd, was: ConnectionState, why: CloseReason): void;
  /** A link is gone for good: its name is free, if it has one. */
  forgotten(link: Link<C>): void;
  /** Some number may have changed. */
  changed(): void;
}

/**
 * Knows where every link is and is the one place that moves it: in the store, in use, given back and without a name
 * yet, or parting (closed by us, its socket not gone yet). Each is in exactly one of these (I1).
 */
export class Custody<C> implements LinkKeeper<Link<C>> {
  /** Since when each is in use. */
  readonly #used = new Map<Link<C>, number>();
  #renewable = 0;
  readonly #nameless = new Set<Link<C>>();
  readonly #parting = new Map<Link<C>, CloseReason>();
  /** What stops the time that a link has to be claimed, or to be named. */
  readonly #deadlines = new Map<Link<C>, Cancel>();
  readonly #closed = noClosings();
  #opened = 0;
  #reused = 0;
  #evicted = 0;
  #onEmpty: (() => void) | undefined;

  constructor(
    private readonly store: IdleStore<Link<C>>,
    private readonly waiters: Waiters<C>,
    private readonly limits: { readonly claimTimeout: number; readonly maxCapacity: number },
    private readonly clock: Clock,
    private readonly pool: CustodyListener<C>,
  ) {}

  /** Links that applications hold. */
  get used(): number {
    return this.#used.size;
  }

  /** Those of them that can come back. */
  get renewable(): number {
    return this.#renewable;
  }

  /** Links given back that wait for their next name. */
  get nameless(): number {
    return this.#nameless.size;
  }

  /** Links that died while nobody held them. */
  get evicted(): number {
    return this.#evicted;
  }

  /** Links that were ever taken in. */
  get opened(): number {
    return this.#opened;
  }

  /** How often one of them was named anew. */
  get reused(): number {
    return this.#reused;
  }

  /** Links that ended, by reason. */
  get closed(): Readonly<Record<CloseReason, number>> {
    return { ...this.#closed };
  }

  /** Tells of up to `most` live links: those in use first, then idle ones, the oldest first. */
  all(most: number): ConnectionInfo[] {
    const now = this.clock.now();
    const infos: ConnectionInfo[] = [];
    const add = (links: Iterable<Link<C>>, state: ConnectionState): void => {
      for (const link of links) {
        if (infos.length >= most) return;
        infos.push(infoOf(link, state, now, this.#used.get(link)));
      }
    };
    add(this.#used.keys(), 'used');
    add(this.store.allOwed(), 'owed');
    add(this.#nameless, 'returned');
    add(this.store.allIdle(), 'idle');
    return infos;
  }

  /** Takes in a link that has just been named: for whoever waits for it, else for the store. */
  arrive(link: Link<C>): void {
    if (this.#nameless.has(link)) this.#reused++;
    this.#adopt(link);
    this.#leave(link);
    const bearer = this.store.get(link.id);
    if (bearer) this.#leave(bearer);
    const waiter = this.waiters.claimant(link.id, !link.begun && this.store.isForAnyone(link.id));
    if (waiter) waiter.succeed(this.#checkOut(link, this.clock.now()));
    else this.#keep(link);
    // Last: who hears of it may close the pool.
    if (bearer) this.part(bearer, 'replaced');
  }

  /** Hands out the link of this ID, or the one that is idle longest. No `await` stands between look and take (I8). */
  take(id: ConnectionId | undefined, now: number): C | undefined {
    const link = id === undefined ? this.store.oldestIdle : this.store.get(id);
    if (!link) return undefined;
    this.#leave(link);
    return this.#checkOut(link, now);
  }

  /** Gives a returned link `ms` milliseconds to be named anew, and closes it then. */
  awaitName(link: Link<C>, ms: number): void {
    this.#partAfter(ms, link, 'unnamed');
  }

  /** Closes a link that nobody holds, for the first reason that there is. */
  part(link: Link<C>, why: PartReason): void {
    if (this.#parting.has(link)) return;
    this.#leave(link);
    if (link.isGone) {
      this.pool.forgotten(link);
    } else {
      this.#adopt(link);
      this.#parting.set(link, why);
      const { code, words } = CLOSINGS[why];
      // A peer that has begun to write must not take it for a clean end.
      link.close(link.begun ? UNREAD_CODE : code, words);
    }
    this.pool.changed();
  }

  /** Closes links of the store. A listener that hears of one may take the next: that has left the store and is not closed. */
  partStored(links: readonly Link<C>[], why: PartReason): number {
    let parted = 0;
    for (const link of links) {
      if (this.store.get(link.id) !== link) continue;
      this.part(link, why);
      parted++;
    }
    return parted;
  }

  /** Closes all idle links and returns how many. */
  partIdle(why: PartReason): number {
    return this.partStored(this.store.allIdle(), why);
  }

  /** Closes whatever nobody holds. */
  partUnused(why: PartReason): void {
    this.partIdle(why);
    this.partStored(this.store.allOwed(), why);
    for (const link of this.#nameless) this.part(link, why);
  }

  /** Cuts whatever is in use. */
  cutUsed(cause: Error): void {
    for (const link of this.#used.keys()) link.cut(cause);
  }

  /** Resolves when nothing is in use or parting any more, or after `ms`; at once when that is 0. */
  empty(ms: number): Promise<void> {
    if (ms === 0 || this.#isEmpty()) return Promise.resolve();
    return new Promise((resolve) => {
      const cancel = ms === Infinity ? undefined : this.clock.after(ms, resolve);
      this.#onEmpty = () => {
        cancel?.();
        resolve();
      };
    });
  }

  begun(link: Link<C>): void {
    if (!this.store.owe(link)) return;
    this.#expectClaim(link);
    this.pool.changed();
  }

  returned(link: Link<C>): void {
    this.#putDown(link);
    this.#nameless.add(link);
    this.pool.returned(link);
    this.pool.changed();
  }

  /** Nothing more comes, so a link that nobody holds leaves at once. */
  ended(link: Link<C>, end: LinkEnd): void {
    const was = this.#stateOf(link);
    const why = this.#parting.get(link) ?? reasonOf(end, was === 'used');
    this.#closed[why]++;
    // What a peer said to the end is still owed to whoever knows the ID.
    if (!(end.whole && link.begun) && this.#leave(link)) {
      this.#parting.set(link, why);
      if (was !== 'returned') this.#evicted++;
    }
    this.pool.ended(link, end, was, why);
    this.pool.changed();
  }

  gone(link: Link<C>): void {
    this.#putDown(link);
    this.#parting.delete(link);
    if (this.store.get(link.id) !== link) this.pool.forgotten(link);
    this.pool.changed();
    if (this.#isEmpty()) this.#onEmpty?.();
  }

  #stateOf(link: Link<C>): ConnectionState {
    if (this.#used.has(link)) return 'used';
    if (this.#nameless.has(link)) return 'returned';
    return link.begun ? 'owed' : 'idle';
  }

  #isEmpty(): boolean {
    return this.#used.size === 0 && this.#nameless.size === 0 && this.#parting.size === 0;
  }

  #keep(link: Link<C>): void {
    this.store.add(link, link.begun);
    if (link.begun) this.#expectClaim(link);
  }

  #adopt(link: Link<C>): void {
    if (link.keeper === this) return;
    link.keeper = this;
    this.#opened++;
  }

  #checkOut(link: Link<C>, now: number): C {
    if (link.isGone) this.pool.forgotten(link);
    else this.#pickUp(link, now);
    return link.checkOut();
  }

  #pickUp(link: Link<C>, now: number): void {
    this.#used.set(link, now);
    if (link.renewable) this.#renewable++;
  }

  #putDown(link: Link<C>): void {
    const since = this.#used.get(link);
    if (since === undefined) return;
    this.#used.delete(link);
    if (link.renewable) this.#renewable--;
    this.pool.putDown(since);
  }

  /** Takes a link out of the store, or from those without a name. False when it was in neither. */
  #leave(link: Link<C>): boolean {
    this.#deadlines.get(link)?.();
    this.#deadlines.delete(link);
    return this.#nameless.delete(link) || this.store.remove(link);
  }

  /** Bytes wait for somebody who knows the ID, but not for ever, and not in any number (I11). */
  #expectClaim(link: Link<C>): void {
    const { claimTimeout, maxCapacity } = this.limits;
    this.#partAfter(claimTimeout, link, 'unclaimed');
    const { oldestOwed } = this.store;
    if (this.store.owed > maxCapacity && oldestOwed) this.part(oldestOwed, 'unclaimed');
  }

  #partAfter(ms: number, link: Link<C>, why: PartReason): void {
    const giveUp = (): void => {
      this.part(link, why);
    };
    this.#deadlines.set(link, this.clock.after(ms, giveUp));
  }
}

/** Why a link ended that we did not close. */
function reasonOf({ clean, violation, reason }: LinkEnd, wasUsed: boolean): CloseReason {
  if (violation) return 'violation';
  // Whoever took a link that its peer closed as unused has used nothing of it.
  if (clean && wasUsed && reason !== UNUSED) return 'finished';
  if (clean) return 'dropped';
  return wasUsed ? 'broken' : 'lost';
}
