import type { Metric, Registry, RegistryContentType } from 'prom-client';
import {
  type Instrument,
  INSTRUMENTS,
  TIME_INSTRUMENTS,
  type TimeInstrument,
} from '../metrics/instruments.js';
import { type MeasuredPool, PoolSet } from '../metrics/pool-set.js';
import { distributionOf, readingsOf, type Snapshot, snapshotsOf } from '../metrics/readings.js';

/** Any registry: whether it speaks Prometheus or OpenMetrics is its own affair. */
export type AnyRegistry = Registry<RegistryContentType>;

/** A line of a scrape. */
interface Line {
  readonly labels: Record<string, string | number>;
  readonly value: number;
  readonly metricName?: string;
}

/** What a registry tells of us. */
interface Export {
  readonly pools: PoolSet;
  /** By the names that they are registered under. */
  readonly metrics: ReadonlyMap<string, InstrumentMetric | TimeMetric>;
}

const exports = new WeakMap<AnyRegistry, Export>();

/**
 * Has a registry tell of pools from the next scrape on, and of each until it closes. Nothing is kept between scrapes:
 * all is read from the pools. Calling it again adds more pools to the same metrics.
 * Throws when the registry has a metric of one of our names that is not ours.
 */
export function registerPools(registry: AnyRegistry, pools: Iterable<MeasuredPool>): void {
  const known = exports.get(registry);
  const mine = known ?? createExport();
  const missing = [...mine.metrics].filter(([name, metric]) => {
    const there: unknown = registry.getSingleMetric(name);
    if (there && there !== metric)
      throw new Error(`the registry has a metric named '${name}' already, which is not of nestjs-npws`);
    return !there;
  });
  // Of a metric it asks for no more than these have.
  for (const [, metric] of missing) registry.registerMetric(metric as unknown as Metric);
  exports.set(registry, mine);
  for (const pool of pools) mine.pools.add(pool);
}

function createExport(): Export {
  const pools = new PoolSet();
  const metrics = [
    ...INSTRUMENTS.map((instrument) => new InstrumentMetric(instrument, pools)),
    ...TIME_INSTRUMENTS.map((instrument) => new TimeMetric(instrument, pools)),
  ];
  return { pools, metrics: new Map(metrics.map((metric) => [metric.name, metric])) };
}

/** A gauge or counter that reads its values when it is asked. */
class InstrumentMetric {
  /** A registry that speaks OpenMetrics changes it. */
  name: string;
  readonly type: 'gauge' | 'counter';

  constructor(
    private readonly instrument: Instrument,
    private readonly pools: PoolSet,
  ) {
    this.name = instrument.inPrometheus;
    this.type = instrument.kind;
  }

  get() {
    const { name, type } = this;
    const help = this.instrument.description;
    const values: Line[] = readingsOf(this.instrument, snapshotsOf(this.pools));
    return Promise.resolve({ name, help, type, aggregator: 'sum', values });
  }

  /** `registry.resetMetrics()`: a pool's numbers are its own. */
  reset(): void {
    // Nothing is kept.
  }
}

/** A histogram that reads its buckets when it is asked. */
class TimeMetric {
  readonly name: string;

  constructor(
    private readonly instrument: TimeInstrument,
    private readonly pools: PoolSet,
  ) {
    this.name = instrument.inPrometheus;
  }

  get() {
    const { name } = this;
    const help = this.instrument.description;
    const values = snapshotsOf(this.pools).flatMap((snapshot) => this.#linesOf(snapshot));
    return Promise.resolve({ name, help, type: 'histogram', aggregator: 'sum', values });
  }

  reset(): void {
    // Nothing is kept.
  }

  #linesOf(snapshot: Snapshot): Line[] {
    const distribution = distributionOf(this.instrument.what, snapshot);
    if (!distribution) return [];
    const { labels } = snapshot;
    const { bounds, cumulative, count, sum } = distribution;
    const metricName = `${this.name}_bucket`;
    return [
      ...bounds.map((ms, at): Line => ({
        metricName,
        labels: { ...labels, le: ms / 1_000 },
        value: cumulative[at] ?? 0,
      })),
      { metricName, labels: { ...labels, le: '+Inf' }, value: count },
      { metricName: `${this.name}_sum`, labels, value: sum / 1_000 },
      { metricName: `${this.name}_count`, labels, value: count },
    ];
  }
}
