/** The share of capacity below which a pool is hungry, and above which it is sated (NPWS). */
export const LOW = 0.2;
const HIGH = 0.8;

/** How far one adjustment moves the interval, in milliseconds (NPWS). */
const INTERVAL_STEP = 100;

/** Inclusive limits, in the unit of what they limit. */
export interface Bounds {
  readonly min: number;
  readonly max: number;
}

/**
 * The pause between two rounds, in milliseconds: shorter when few connections are idle, longer when many are.
 * Shares of the capacity are truncated to whole connections, as NPWS does.
 */
export function adjustInterval(interval: number, idle: number, capacity: number, bounds: Bounds): number {
  if (idle < Math.trunc(capacity * LOW)) return Math.max(interval - INTERVAL_STEP, bounds.min);
  if (idle > Math.trunc(capacity * HIGH)) return Math.min(interval + INTERVAL_STEP, bounds.max);
  return interval;
}

/**
 * How many idle connections to aim at: one less when a round created few, one more when it created many.
 * A full pool creates none and shrinks, a drained one grows: capacity follows demand.
 */
export function adjustCapacity(capacity: number, created: number, bounds: Bounds): number {
  const ratio = created / capacity;
  if (ratio < LOW) return Math.max(capacity - 1, bounds.min);
  if (ratio > HIGH) return Math.min(capacity + 1, bounds.max);
  return capacity;
}
