/** Prints one row: what was measured, and what came of it. */
export function report(what: string, figure: string): void {
  console.log(`  ${what.padEnd(58)} ${figure}`);
}

/** The value below which this share of all lies. NaN of nothing. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
}

/** The median, and the least and the greatest in brackets. */
export function spread(values: readonly number[], show: (value: number) => string): string {
  const [low, median, high] = [0, 0.5, 1].map((share) => show(quantile(values, share)));
  return `${median} (${low} to ${high})`;
}

/** Milliseconds, for people. */
export function ms(value: number): string {
  return value < 1 ? `${(value * 1000).toFixed(0)} µs` : `${value.toFixed(1)} ms`;
}
