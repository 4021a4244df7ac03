import type { EventEmitter } from 'node:events';
import { Observable } from 'rxjs';
import type { Cancel, Clock } from './clock.js';
import type { CloseReason } from './closing.js';
import type { NpwsError, NpwsErrorCode, PoolRole } from './errors.js';
import type { TimeStats } from './histogram.js';
import type { DialFailure, Rejection, TakeOutcome, Timed, Traffic } from './measures.js';
import type { PoolEvents } from './pool-events.js';

/** The stages of a pool's life, in order. */
export type PoolState = 'new' | 'running' | 'draining' | 'closed';

/** A failure to dial or to listen, and when it was on the pool's clock. */
export interface Failure {
  readonly error: NpwsError;
  readonly at: number;
}

/** Whether a pool is fit to serve. */
export interface Health {
  /** Whether it is. */
  readonly up: boolean;
  /** Whether it serves, but less well than it should: a client whose dials fail, a server without any client. */
  readonly degraded: boolean;
  /** What is wrong with it, or null. */
  readonly reason: string | null;
}

/** The health of a pool by what makes it unfit, and what merely impairs it. */
export function healthOf(unfit: string | null, impaired: string | null): Health {
  return { up: unfit === null, degraded: unfit === null && impaired !== null, reason: unfit ?? impaired };
}

/** A pool's numbers at one moment. */
export interface PoolStats {
  /** Whether the pool dials or listens. */
  readonly role: PoolRole;
  /** The pool's name. */
  readonly name: string;
  /** Where it is in its life. */
  readonly state: PoolState;
  /** Live idle connections. */
  readonly active: number;
  /** Connections whose peer has begun to write and which wait to be taken by ID. */
  readonly owed: number;
  /** Connections that applications hold. */
  readonly used: number;
  /**
   * Dials in flight, or slots reserved for connections being set up; at a client also the links that were given back
   * and wait for their next ID.
   */
  readonly connecting: number;
  /** Gets that wait. */
  readonly waiting: number;
  /** How many idle connections a client aims at; a server's maximum. */
  readonly capacity: number;
  /** The least that `capacity` may be. */
  readonly minCapacity: number;
  /** The most that `capacity` may be. */
  readonly maxCapacity: number;
  /** Milliseconds between two rounds of dialling; 0 for a server. */
  readonly interval: number;
  /** active / capacity */
  readonly utilization: number;
  /** As `errorCount()`. */
  readonly errors: number;
  /** The same, but never reset. */
  readonly errorsEver: number;
  /** Strangers refused before the upgrade. */
  readonly rejected: number;
  /** Connections that died while idle. */
  readonly evicted: number;
  /** Gets, by outcome. */
  readonly takes: Readonly<Record<TakeOutcome, number>>;
  /** Links (WebSockets) that were ever set up. Each serves one use after another. */
  readonly opened: number;
  /** How often a link came back from a use and was named anew: each saved a hand-shake. */
  readonly reused: number;
  /** Links that were closed, by reason. */
  readonly closed: Readonly<Record<CloseReason, number>>;
  /** Dials that failed, by reason. */
  readonly dialFailures: Readonly<Record<DialFailure, number>>;
  /** Strangers refused before the upgrade, by reason. */
  readonly rejections: Readonly<Record<Rejection, number>>;
  /** Payload of uses so far, in bytes. */
  readonly bytes: Readonly<Traffic>;
  /** How long waits of gets, dials, uses and pings took. */
  readonly times: Readonly<Record<Timed, TimeStats>>;
  /** The last failure to dial (client) or listen (server), or null. */
  readonly lastDialError: {
    /** The code of the error. */
    readonly code: NpwsErrorCode;
    /** What happened, and what to look at. */
    readonly message: string;
    /** How long ago, in milliseconds. */
    readonly age: number;
  } | null;
}

/** The least time between two values of `stats$`, in milliseconds. */
const STATS_PERIOD = 100;

/** Watches a pool's numbers: at once, then after each change but no oftener than every 100 ms, until it closes. */
export function observeStats(
  pool: EventEmitter<PoolEvents> & { stats(): PoolStats },
  clock: Clock,
): Observable<PoolStats> {
  return new Observable((subscriber) => {
    let pause: Cancel | undefined;
    let isStale = false;
    const emit = (): void => {
      isStale = false;
      pause = clock.after(STATS_PERIOD, () => {
        pause = undefined;
        if (isStale) emit();
      });
      subscriber.next(pool.stats());
    };
    const onChange = (): void => {
      if (pause) isStale = true;
      else emit();
    };
    const onClose = (): void => {
      subscriber.next(pool.stats());
      subscriber.complete();
    };
    subscriber.add(() => {
      pause?.();
      pool.off('change', onChange).off('close', onClose);
    });
    if (pool.stats().state === 'closed') {
      onClose();
      return;
    }
    pool.on('change', onChange).on('close', onClose);
    emit();
  });
}
