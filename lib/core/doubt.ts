import { type CloseReason, UNUSED } from './closing.js';
import type { Clock } from './clock.js';
import type { ConnectionState } from './connection-info.js';
import type { Link, LinkEnd } from './link.js';

/** A new connection that is lost sooner than this, before it came back from a use, was no success; in milliseconds. */
export const PROOF = 1_000;

/** How many of them in a row, none of use between them, cast doubt on whatever a dial brings. */
const DOUBTFUL = 2;

/** How a connection ends that could have served on. */
const LOSSES: readonly CloseReason[] = ['lost', 'dropped', 'broken', 'violation'];

/** What the end of a connection says of dials. `dropped`: its own has failed; `unproven`, `proven`: it was on trial. */
export type Verdict = 'nothing' | 'dropped' | 'unproven' | 'proven';

/**
 * Whether connections last. What lets them in and drops them, such as a server that is over its limit or a proxy, would be
 * dialled for ever as fast as for a rush: after two such drops in a row what a probe brings is on trial. A single one tells
 * nothing: an application there may have taken it and changed its mind.
 */
export class Doubt<C> {
  /** Connections that have not come back from a use yet. */
  readonly #new = new Set<Link<C>>();
  /** New connections that were lost at once, since one was of use. */
  #drops = 0;
  /** Whether there was doubt since the outage began. */
  #wasCast = false;
  #onTrial: Link<C> | undefined;

  constructor(private readonly clock: Clock) {}

  get isCast(): boolean {
    return this.#drops >= DOUBTFUL;
  }

  /** A dial has brought this link. */
  arrived(link: Link<C>): void {
    this.#new.add(link);
  }

  /** A probe has brought it: now it has to last. */
  try(link: Link<C>): void {
    this.#onTrial = link;
  }

  isOnTrial(link: Link<C>): boolean {
    return link === this.#onTrial;
  }

  /** A link has come back from a use: it is proven by that. */
  returned(link: Link<C>): void {
    if (this.#new.delete(link)) this.#drops = 0;
  }

  /** A link has ended. */
  ended(link: Link<C>, end: LinkEnd, was: ConnectionState, why: CloseReason): Verdict {
    const wasNew = this.#new.delete(link);
    const isTried = this.isOnTrial(link);
    if (isTried) this.#onTrial = undefined;
    // A pool of this package that closes it as unused means no harm.
    const isLost = LOSSES.includes(why) && end.reason !== UNUSED && !end.ours;
    const isDropped = wasNew && isLost && was === 'idle' && this.clock.now() - link.openedAt < PROOF;
    if (isDropped) return this.#drop() || isTried ? 'dropped' : 'nothing';
    if (isTried) return was === 'idle' || (isLost && !link.heard) ? 'unproven' : 'proven';
    if (wasNew && link.heard) this.#drops = 0;
    return 'nothing';
  }

  /** The outage is over. Whether that may have been seen too soon: then dials shall go on at the usual pace. */
  settle(): boolean {
    const wasCast = this.#wasCast;
    this.#onTrial = undefined;
    this.#wasCast = false;
    return wasCast;
  }

  /** Connections last, or none are missing: nothing is left of it. Returns what `settle` does. */
  dispel(): boolean {
    this.trust();
    return this.settle();
  }

  /** Connections that were dropped before say nothing of those to come. */
  trust(): void {
    this.#drops = 0;
  }

  /** Whether that casts doubt. */
  #drop(): boolean {
    this.#drops++;
    this.#wasCast ||= this.isCast;
    return this.isCast;
  }
}
