import type { Cancel, Clock } from './clock.js';
import type { ConnectionId } from './connection-id.js';
import type { IdleStore } from './idle-store.js';
import type { Link, LinkEnd, LinkKeeper } from './link.js';
import type { Waiters } from './waiters.js';

/** The close code for a connection whose bytes nobody came for: not 1000, as they were never read. */
const UNCLAIMED = 1013;

/** What custody tells its pool. */
export interface CustodyListener<C> {
  /** Nothing more comes over a link. */
  ended(link: Link<C>, end: LinkEnd, wasUsed: boolean): void;
  /** A link is gone for good: its name is free. */
  forgotten(link: Link<C>): void;
  /** Some number may have changed. */
  changed(): void;
}

/**
 * Knows where every named link is and is the one place that moves it: in the store, in use, or parting (closed by
 * us, its socket not gone yet). Each is in exactly one of these (I1).
 */
export class Custody<C> implements LinkKeeper<Link<C>> {
  readonly #used = new Set<Link<C>>();
  readonly #parting = new Set<Link<C>>();
  readonly #claims = new Map<Link<C>, Cancel>();
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

  /** Links that died while nobody held them. */
  get evicted(): number {
    return this.#evicted;
  }

  /** Takes in a link that has just been named: for whoever waits for it, else for the store. */
  arrive(link: Link<C>): void {
    link.keeper = this;
    const bearer = this.store.get(link.id);
    if (bearer) this.part(bearer, 1000, 'its ID was issued again');
    const waiter = this.waiters.claimant(link.id, !link.begun && this.store.isForAnyone(link.id));
    if (waiter) {
      waiter.succeed(this.#checkOut(link));
      return;
    }
    this.store.add(link, link.begun);
    if (link.begun) this.#expectClaim(link);
  }

  /** Hands out the link of this ID, or the one that is idle longest. No `await` stands between look and take (I8). */
  take(id: ConnectionId | undefined): C | undefined {
    const link = id === undefined ? this.store.oldestIdle : this.store.get(id);
    if (!link) return undefined;
    this.#leaveStore(link);
    const connection = this.#checkOut(link);
    this.pool.changed();
    return connection;
  }

  /** Closes a link that nobody holds. */
  part(link: Link<C>, code: number, reason: string): void {
    this.#leaveStore(link);
    if (link.isGone) {
      this.pool.forgotten(link);
    } else {
      link.keeper = this;
      this.#parting.add(link);
      link.close(code, reason);
    }
    this.pool.changed();
  }

  /** Closes all idle links and returns how many. */
  partIdle(code: number, reason: string): number {
    return this.#partAll(this.store.allIdle(), code, reason);
  }

  /** Closes whatever nobody holds. Peers that have begun to write must not take it for a clean end. */
  partUnused(reason: string): void {
    this.partIdle(1001, reason);
    this.#partAll(this.store.allOwed(), UNCLAIMED, reason);
  }

  /** Cuts whatever is in use. */
  cutUsed(cause: Error): void {
    for (const link of this.#used) link.cut(cause);
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

  /** Nothing more comes, so a link that nobody holds leaves at once. */
  ended(link: Link<C>, end: LinkEnd): void {
    // What a peer wrote before it closed in good order is still owed to whoever knows the ID.
    if (!(end.clean && link.begun) && this.#leaveStore(link)) {
      this.#parting.add(link);
      this.#evicted++;
    }
    this.pool.ended(link, end, this.#used.has(link));
    this.pool.changed();
  }

  gone(link: Link<C>): void {
    this.#used.delete(link);
    this.#parting.delete(link);
    if (this.store.get(link.id) !== link) this.pool.forgotten(link);
    this.pool.changed();
    if (this.#isEmpty()) this.#onEmpty?.();
  }

  /** A listener that hears of one may take the next: those have left the store and are not closed. */
  #partAll(links: readonly Link<C>[], code: number, reason: string): number {
    let parted = 0;
    for (const link of links) {
      if (this.store.get(link.id) !== link) continue;
      this.part(link, code, reason);
      parted++;
    }
    return parted;
  }

  #isEmpty(): boolean {
    return this.#used.size === 0 && this.#parting.size === 0;
  }

  #checkOut(link: Link<C>): C {
    if (link.isGone) this.pool.forgotten(link);
    else this.#used.add(link);
    return link.checkOut();
  }

  #leaveStore(link: Link<C>): boolean {
    this.#claims.get(link)?.();
    this.#claims.delete(link);
    return this.store.remove(link);
  }

  /** Bytes wait for somebody who knows the ID, but not for ever, and not in any number (I11). */
  #expectClaim(link: Link<C>): void {
    const { claimTimeout, maxCapacity } = this.limits;
    const giveUp = (owed: Link<C>): void => {
      this.part(owed, UNCLAIMED, 'nobody took this connection');
    };
    this.#claims.set(
      link,
      this.clock.after(claimTimeout, () => {
        giveUp(link);
      }),
    );
    const { oldestOwed } = this.store;
    if (this.store.owed > maxCapacity && oldestOwed) giveUp(oldestOwed);
  }
}
