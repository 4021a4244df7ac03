/** Draws a whole number from 0 to 2^32 - 1, each as likely as the next. Identifiers need an unguessable source. */
export type Random = () => number;

/** A number from `low` (inclusive) to `high` (exclusive), drawn from `random`. */
export function between(random: Random, low: number, high: number): number {
  return low + (random() / 0x1_0000_0000) * (high - low);
}
