import type { Distribution } from '../core/histogram.js';
import type { Timed } from '../core/measures.js';
import type { PoolStats } from '../core/stats.js';
import type { Instrument } from './instruments.js';
import type { MeasuredPool, PoolLabels, PoolSet } from './pool-set.js';

/** One reading of an instrument, with all its labels. */
export interface LabelledReading {
  readonly labels: Record<string, string>;
  readonly value: number;
}

/** The numbers of pools of one name and role at one moment. */
export interface Snapshot {
  readonly labels: PoolLabels;
  readonly stats: readonly PoolStats[];
  readonly pools: readonly MeasuredPool[];
}

export function snapshotsOf(set: PoolSet): Snapshot[] {
  return set.groups().map(({ labels, pools }) => ({
    labels,
    pools,
    stats: pools.map((pool) => pool.stats()).filter((stats) => stats !== null),
  }));
}

/** What an instrument reads of these pools: sums, where several share their labels. */
export function readingsOf(instrument: Instrument, snapshots: readonly Snapshot[]): LabelledReading[] {
  const { label } = instrument;
  return snapshots.flatMap(({ labels, stats }) => {
    const sums = new Map<string | undefined, number>();
    for (const one of stats) {
      for (const [value, own] of instrument.read(one)) sums.set(own, (sums.get(own) ?? 0) + value);
    }
    return [...sums].map(([own, value]) => ({
      labels: label === undefined || own === undefined ? labels : { ...labels, [label]: own },
      value,
    }));
  });
}

/** The distribution of these pools together. */
export function distributionOf(what: Timed, { pools }: Snapshot): Distribution | null {
  const [first, ...others] = pools
    .map((pool) => pool.distributions()?.[what])
    .filter((one) => one !== undefined);
  if (!first) return null;
  return others.reduce(
    (sum, one) => ({
      bounds: sum.bounds,
      cumulative: sum.cumulative.map((count, at) => count + (one.cumulative[at] ?? 0)),
      count: sum.count + one.count,
      sum: sum.sum + one.sum,
    }),
    first,
  );
}
