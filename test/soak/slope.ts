/** A number that was read at a time, in hours. */
export interface Reading {
  readonly at: number;
  readonly value: number;
}

/** How fast a number grows, an hour, and the standard error of that. */
export interface Slope {
  readonly perHour: number;
  readonly error: number;
}

/** What can be said of growth: it is above its limit, it is not, or the readings do not tell. */
export type Verdict = 'grows' | 'flat' | 'unproven';

/** How fast something may grow. */
export interface Limit {
  readonly perHour: number;
  /** What grew by less in all is no leak yet: code that is compiled late and a busier minute look the same. */
  readonly inAll: number;
}

/** Fewer readings than these prove nothing. */
const LEAST = 10;

/** How many standard errors count as noise. */
const DOUBT = 2;

/** The most that one reading may have in common with the next one: of more, little would be left to reckon with. */
const MOST_KINSHIP = 0.95;

/** The line of least squares through the readings. NaN of fewer than three, or of all at one time. */
export function slopeOf(readings: readonly Reading[]): Slope {
  const middle = mean(readings.map(({ at }) => at));
  const level = mean(readings.map(({ value }) => value));
  const spread = sum(readings.map(({ at }) => (at - middle) ** 2));
  if (readings.length < 3 || spread === 0) return { perHour: NaN, error: NaN };
  const perHour = sum(readings.map(({ at, value }) => (at - middle) * (value - level))) / spread;
  const rests = readings.map(({ at, value }) => value - level - perHour * (at - middle));
  const variance = sum(rests.map((rest) => rest ** 2)) / (readings.length - 2);
  return { perHour, error: Math.sqrt((variance / spread) * inflationOf(rests)) };
}

/** Whether something grows faster than its limit, beyond what noise explains. */
export function verdictOf(readings: readonly Reading[], limit: Limit): Verdict {
  const { perHour, error } = slopeOf(readings);
  if (readings.length < LEAST) return 'unproven';
  const span = (readings.at(-1)?.at ?? 0) - (readings[0]?.at ?? 0);
  const certain = perHour - DOUBT * error;
  if (certain > limit.perHour && certain * span > limit.inAll) return 'grows';
  return perHour + DOUBT * error <= limit.perHour ? 'flat' : 'unproven';
}

/**
 * By how much the variance is more than that of readings that know nothing of one another. Memory moves in steps, and what
 * stays for a while is read many times: n readings with a correlation of r between neighbours are worth n (1 - r) / (1 + r).
 */
function inflationOf(rests: readonly number[]): number {
  const whole = sum(rests.map((rest) => rest ** 2));
  const common = sum(rests.slice(1).map((rest, index) => rest * (rests[index] ?? 0)));
  const kinship = whole === 0 ? 0 : Math.min(MOST_KINSHIP, Math.max(0, common / whole));
  return (1 + kinship) / (1 - kinship);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function mean(values: readonly number[]): number {
  return sum(values) / values.length;
}
