/** The first bound in milliseconds, and how many follow: ten to a power of ten (ISO 3, R10), up to 100 s. */
const FIRST_POWER = -2;
const LAST_POWER = 5;
const STEPS = [1, 1.25, 1.6, 2, 2.5, 3.15, 4, 5, 6.3, 8];

/** How long a window is in milliseconds. */
const WINDOW = 30_000;

/** The upper bounds of the buckets in milliseconds. A last bucket has none. */
const BOUNDS: readonly number[] = Array.from(
  { length: (LAST_POWER - FIRST_POWER) * STEPS.length + 1 },
  (_, at) => scale(STEPS[at % STEPS.length] as number, FIRST_POWER + Math.floor(at / STEPS.length)),
);

/** Of these bounds, three to a power of ten (1, 2.5, 5): enough to keep, and cheap to send. */
const COARSE = BOUNDS.map((_, at) => at).filter((at) => [0, 4, 7].includes(at % STEPS.length));
const COARSE_BOUNDS: readonly number[] = Object.freeze(COARSE.map((at) => BOUNDS[at] as number));

/** A distribution of times since the pool was made, for exporters. */
export interface Distribution {
  /** Upper bounds in milliseconds, inclusive, growing: 1, 2.5 and 5 of each power of ten from 0.01 to 100,000. */
  readonly bounds: readonly number[];
  /** How many were within each bound, those within the ones before included. */
  readonly cumulative: readonly number[];
  /** How many there were, those beyond the last bound included. */
  readonly count: number;
  /** Their sum in milliseconds. */
  readonly sum: number;
}

/** A distribution in four numbers. */
export interface TimeStats {
  /** How many there were. */
  readonly count: number;
  /** Their sum in milliseconds. */
  readonly sum: number;
  /** Half of those of the last 30 to 60 s were no longer, in milliseconds, to within a quarter; null when there were none. */
  readonly p50: number | null;
  /** 99 of 100 of those of the last 30 to 60 s were no longer, likewise. */
  readonly p99: number | null;
}

/** How many times fell into each bucket. Plain arrays, made when they are needed: a pool may never time anything. */
class Counts {
  total = 0;
  #of: number[] | undefined;

  at(bucket: number): number {
    return this.#of?.[bucket] ?? 0;
  }

  add(bucket: number): void {
    this.#of ??= new Array<number>(BOUNDS.length + 1).fill(0);
    (this.#of[bucket] as number)++;
    this.total++;
  }

  clear(): void {
    if (this.total > 0) this.#of?.fill(0);
    this.total = 0;
  }
}

/** Counts times in buckets that grow by a quarter: a few nanoseconds each, in constant memory. */
export class Histogram {
  readonly #all = new Counts();
  #recent = new Counts();
  #before = new Counts();
  #windowEnd = 0;
  #sum = 0;

  /** Takes in a time of so many milliseconds; `now` is the pool's clock. */
  record(ms: number, now: number): void {
    if (now >= this.#windowEnd) this.#turn(now);
    const bucket = bucketOf(ms);
    this.#all.add(bucket);
    this.#recent.add(bucket);
    this.#sum += ms;
  }

  stats(now: number): TimeStats {
    if (now >= this.#windowEnd) this.#turn(now);
    return { count: this.#all.total, sum: this.#sum, p50: this.#quantile(0.5), p99: this.#quantile(0.99) };
  }

  distribution(): Distribution {
    const cumulative: number[] = [];
    let within = 0;
    let at = 0;
    for (const last of COARSE) {
      for (; at <= last; at++) within += this.#all.at(at);
      cumulative.push(within);
    }
    return { bounds: COARSE_BOUNDS, cumulative, count: this.#all.total, sum: this.#sum };
  }

  /** Begins the next window, or forgets both when nothing came for so long. */
  #turn(now: number): void {
    const isNext = now < this.#windowEnd + WINDOW;
    [this.#recent, this.#before] = [this.#before, this.#recent];
    this.#recent.clear();
    if (!isNext) this.#before.clear();
    this.#windowEnd = isNext ? this.#windowEnd + WINDOW : now + WINDOW;
  }

  #quantile(q: number): number | null {
    const total = this.#recent.total + this.#before.total;
    if (total === 0) return null;
    let left = Math.ceil(total * q);
    let at = -1;
    while (left > 0 && ++at < BOUNDS.length) left -= this.#recent.at(at) + this.#before.at(at);
    return BOUNDS[Math.min(at, BOUNDS.length - 1)] as number;
  }
}

function bucketOf(ms: number): number {
  if (ms <= (BOUNDS[0] as number)) return 0;
  let at = Math.min(BOUNDS.length, Math.floor((Math.log10(ms) - FIRST_POWER) * STEPS.length));
  // No bound below it is as long: at most one or two more are shorter, as the steps are rounded.
  while (at < BOUNDS.length && ms > (BOUNDS[at] as number)) at++;
  return at;
}

/** `step` times ten to the `power`, without what multiplication adds behind the point. */
function scale(step: number, power: number): number {
  return Number(`${step}e${power}`);
}
