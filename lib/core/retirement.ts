import type { Cancel, Clock } from './clock.js';
import { between, type Random } from './random.js';
import { MAX_TIMEOUT } from './waiters.js';

/** How far lifetimes are spread to both sides: links that came together shall not go together. */
const SPREAD = 0.1;

/** The least pause between two looks at the idle links, in milliseconds. */
const MIN_PAUSE = 1_000;

/** How long and how often a link may serve. Times are in milliseconds. */
export interface ServiceLimits {
  readonly maxUses: number;
  readonly maxLifetime: number;
  readonly maxIdle: number;
}

interface Service {
  uses: number;
  readonly ends: number;
  idleUntil: number;
}

/**
 * Knows how long links have served and when they have done enough. Only those are here that can serve again
 * (protocol 2): of them a pool can close an idle one without a loss to anybody.
 */
export class Retirement<L> {
  readonly #services = new Map<L, Service>();
  #look: { at: number; cancel: Cancel } | undefined;
  #isStopped = false;

  /** `idle` are the links that may be retired now; `retire` closes those of them that still are idle. */
  constructor(
    private readonly limits: ServiceLimits,
    private readonly clock: Clock,
    private readonly random: Random,
    private readonly idle: () => readonly L[],
    private readonly retire: (links: readonly L[]) => void,
  ) {}

  /** A link is named, for the first time or anew, and begins to be idle. */
  rest(link: L): void {
    const now = this.clock.now();
    let service = this.#services.get(link);
    if (!service) {
      const lifetime = this.limits.maxLifetime * between(this.random, 1 - SPREAD, 1 + SPREAD);
      service = { uses: 0, ends: now + lifetime, idleUntil: 0 };
      this.#services.set(link, service);
    }
    service.idleUntil = now + this.limits.maxIdle;
    this.#lookAt(dueOf(service));
  }

  /** A use of this link is over. Whether it was the last one. */
  isOver(link: L): boolean {
    const service = this.#services.get(link);
    if (!service) return true;
    service.uses++;
    return service.uses >= this.limits.maxUses || service.ends <= this.clock.now();
  }

  forget(link: L): void {
    this.#services.delete(link);
  }

  /** Looks no more. */
  stop(): void {
    this.#isStopped = true;
    this.#look?.cancel();
    this.#look = undefined;
  }

  #lookAt(at: number): void {
    if (this.#isStopped || at === Infinity || (this.#look && this.#look.at <= at)) return;
    this.#look?.cancel();
    const pause = Math.min(Math.max(0, at - this.clock.now()), MAX_TIMEOUT);
    const cancel = this.clock.after(pause, () => {
      this.#lookOver();
    });
    this.#look = { at, cancel };
  }

  #lookOver(): void {
    this.#look = undefined;
    const now = this.clock.now();
    const due: L[] = [];
    let next = Infinity;
    for (const link of this.idle()) {
      const at = dueOf(this.#services.get(link));
      if (at <= now) due.push(link);
      else next = Math.min(next, at);
    }
    this.#lookAt(Math.max(next, now + MIN_PAUSE));
    // Last: who hears of it may close the pool.
    this.retire(due);
  }
}

/** When a link has served long enough; one that can't serve again never. */
function dueOf(service: Service | undefined): number {
  return service ? Math.min(service.ends, service.idleUntil) : Infinity;
}
