import type { Figures, Spread, Target } from './contest.js';

/** What `--json` writes. */
export interface Report {
  readonly machine: Readonly<Record<string, string>>;
  readonly rows: readonly Row[];
}

interface Row {
  readonly name: string;
  readonly work: string;
  readonly unit: string;
  readonly better: 'more' | 'less';
  /** Medians. */
  readonly ours: number;
  readonly peers: Readonly<Record<string, number>>;
  /** Ours to each peer's, taken run by run: the median. */
  readonly ratios: Readonly<Record<string, number>>;
  readonly runs: number;
  /** The least and the greatest of all that. */
  readonly spreads: {
    readonly ours: Range;
    readonly peers: Readonly<Record<string, Range>>;
    readonly ratios: Readonly<Record<string, Range>>;
  };
  readonly targets: readonly Omit<Target, 'metric'>[];
}

type Range = readonly [number, number];

/** The figures as data, rounded to what they are worth. */
export function reportOf(machine: Report['machine'], all: readonly Figures[]): Report {
  const rows = all.map(
    ({ name, work, metric: { unit, better }, runs, ours, peers, ratios, targets }): Row => {
      const medians = (spreads: Readonly<Record<string, Spread>>) =>
        each(spreads, ({ median }) => round(median));
      const ranges = (spreads: Readonly<Record<string, Spread>>) => each(spreads, rangeOf);
      return {
        name,
        work,
        unit,
        better,
        ours: round(ours.median),
        peers: medians(peers),
        ratios: medians(ratios),
        runs,
        spreads: { ours: rangeOf(ours), peers: ranges(peers), ratios: ranges(ratios) },
        targets: targets.map(({ peer, atLeast, atMost }) => ({ peer, atLeast, atMost })),
      };
    },
  );
  return { machine, rows };
}

function rangeOf({ least, most }: Spread): Range {
  return [round(least), round(most)];
}

function each<T>(
  spreads: Readonly<Record<string, Spread>>,
  of: (spread: Spread) => T,
): Readonly<Record<string, T>> {
  return Object.fromEntries(Object.entries(spreads).map(([name, spread]) => [name, of(spread)]));
}

function round(value: number): number {
  return Number(value.toPrecision(4));
}
