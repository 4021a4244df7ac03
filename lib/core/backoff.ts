import type { Cancel, Clock } from './clock.js';
import { between, type Random } from './random.js';

/** The first pause after a failure, in milliseconds. Each further one is twice as long, up to the maximum. */
const FIRST_PAUSE = 100;

/**
 * The time after a failed dial: pauses that grow, one probe after each. Equal jitter (half of a pause is fixed,
 * half is drawn) spreads many clients without letting one of them hurry.
 */
export class Backoff {
  readonly since: number;
  #tries = 1;
  /** Pauses since the beginning or the last restart. */
  #pauses = 0;
  #isProbing = false;
  #pause: Cancel | undefined;
  #dueSince = Infinity;

  /** `probe` is called after each pause. */
  constructor(
    private readonly max: number,
    private readonly clock: Clock,
    private readonly random: Random,
    private readonly probe: () => void,
  ) {
    this.since = clock.now();
    this.#wait();
  }

  /** Dials that failed since the outage began. */
  get tries(): number {
    return this.#tries;
  }

  /** Whether the one probe may be sent now. */
  get isDue(): boolean {
    return this.#pause === undefined && !this.#isProbing;
  }

  /** For how long that has been so, in milliseconds: nothing was missing meanwhile. */
  get dueFor(): number {
    return this.isDue ? this.clock.now() - this.#dueSince : 0;
  }

  probing(): void {
    this.#isProbing = true;
  }

  /** The probe came through: calls back in `ms` milliseconds, when it shows whether that lasts. */
  watch(ms: number, seen: () => void): void {
    this.#pauseFor(ms, seen);
  }

  /** The probe failed: waits longer. */
  failed(): void {
    this.#isProbing = false;
    this.#tries++;
    this.#wait();
  }

  /** Begins with short pauses again, unless the shortest is over or under way already, or the probe is. */
  restart(): void {
    if (!this.#isProbing && this.#pauses <= 1) return;
    this.#pauses = 0;
    if (!this.#isProbing) this.#wait();
  }

  cancel(): void {
    this.#pause?.();
  }

  #wait(): void {
    const pause = Math.min(FIRST_PAUSE * 2 ** Math.min(this.#pauses++, 30), this.max);
    this.#pauseFor(pause / 2 + between(this.random, 0, pause / 2), this.probe);
  }

  #pauseFor(ms: number, then: () => void): void {
    this.#pause?.();
    this.#pause = this.clock.after(ms, () => {
      this.#pause = undefined;
      this.#dueSince = this.clock.now();
      then();
    });
  }
}
