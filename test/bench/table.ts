import { type Figures, isMet, reached, type Spread, type Target } from './contest.js';
import { OURS } from './rows/names.js';

/** A number with about three digits. */
export function figure(value: number): string {
  if (Number.isNaN(value)) return 'unknown';
  if (value >= 100) return Math.round(value).toLocaleString('en');
  return value.toPrecision(3);
}

/** A ratio with two decimals, fewer when it is large. */
export function ratio(value: number): string {
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

/** What the metrics of one contest came to: a line for each side, then what was to be reached and whether it was. */
export function tableOf(contest: readonly Figures[]): string {
  const [first] = contest;
  if (!first) return '';
  const { name, work } = first;
  const sides = [OURS, ...Object.keys(first.peers)];
  const head = contest.flatMap(({ metric: { key, unit } }) => [`${key}, ${unit}`, 'ours / it']);
  const lines = sides.map((side) => [
    side,
    ...contest.flatMap((each) => {
      const spread = side === OURS ? each.ours : each.peers[side];
      const ratios = each.ratios[side];
      return [spread ? tell(spread, figure) : 'unknown', ratios ? tell(ratios, ratio) : ''];
    }),
  ]);
  return [`${name}: ${work}`, ...align([['', ...head], ...lines]), ...contest.flatMap(verdicts)].join('\n');
}

/** The median and, in brackets, the least and the greatest. */
function tell({ least, median, most }: Spread, show: (value: number) => string): string {
  return least === most ? show(median) : `${show(median)} (${show(least)} to ${show(most)})`;
}

function verdicts(figures: Figures): string[] {
  return figures.targets
    .filter((target) => !Number.isNaN(reached(figures, target)))
    .map(
      (target) =>
        `  ${isMet(figures, target) ? '✓' : '✗'} ${aim(figures, target)}: ${value(figures, target)}`,
    );
}

/** What is to be reached, in words: 'rate at least 0.90 of raw TLS'. */
export function aim({ metric: { key, unit } }: Figures, { peer, atLeast, atMost }: Target): string {
  const bound = `${key} at ${atLeast === undefined ? 'most' : 'least'}`;
  const limit = atLeast ?? atMost ?? NaN;
  return peer === null ? `${bound} ${limit} ${unit}` : `${bound} ${limit.toFixed(2)} of ${peer}`;
}

/** What came of a target. */
export function value(figures: Figures, target: Target): string {
  return target.peer === null ? figure(figures.ours.median) : ratio(reached(figures, target));
}

function align(rows: readonly (readonly string[])[]): string[] {
  const widthOf = (column: number): number => Math.max(...rows.map((row) => (row[column] ?? '').length));
  const widths = (rows[0] ?? []).map((_, column) => widthOf(column));
  return rows.map((row) => `  ${row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  ')}`.trimEnd());
}
