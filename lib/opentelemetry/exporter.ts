import type { Histogram, Meter } from '@opentelemetry/api';
import type { Timed } from '../core/measures.js';
import { type Instrument, INSTRUMENTS, TIME_INSTRUMENTS } from '../metrics/instruments.js';
import { labelsOf, type MeasuredPool, PoolSet } from '../metrics/pool-set.js';
import { readingsOf, snapshotsOf } from '../metrics/readings.js';

/** The bounds that histograms are advised to have, in seconds: those of OpenTelemetry's own connection pools, and finer below. */
const BOUNDS = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
];

/** The instruments of each meter. */
const exporters = new WeakMap<Meter, Exporter>();

/**
 * Has a meter tell of pools, and of each until it closes. Counts are read when they are collected, times are recorded
 * one by one. Calling it again adds more pools to the same instruments. (What was told of a closed pool last goes on
 * being exported with cumulative temporality: OpenTelemetry's SDK keeps every series that it ever saw.)
 */
export function observePools(meter: Meter, pools: Iterable<MeasuredPool>): void {
  const exporter = exporters.get(meter) ?? new Exporter(meter);
  exporters.set(meter, exporter);
  for (const pool of pools) exporter.add(pool);
}

/** What a meter tells of us. */
class Exporter {
  readonly #pools = new PoolSet();
  readonly #times: ReadonlyMap<Timed, Histogram>;

  constructor(meter: Meter) {
    const observables = INSTRUMENTS.map(({ name, kind, unit, description }) =>
      kind === 'counter'
        ? meter.createObservableCounter(name, { unit, description })
        : meter.createObservableGauge(name, { unit, description }),
    );
    meter.addBatchObservableCallback((result) => {
      const snapshots = snapshotsOf(this.#pools);
      for (const [at, observable] of observables.entries()) {
        const readings = readingsOf(INSTRUMENTS[at] as Instrument, snapshots);
        for (const { labels, value } of readings) result.observe(observable, value, labels);
      }
    }, observables);
    this.#times = new Map(
      TIME_INSTRUMENTS.map(({ name, description, what }) => {
        const advice = { explicitBucketBoundaries: BOUNDS };
        return [what, meter.createHistogram(name, { unit: 's', description, advice })];
      }),
    );
  }

  add(pool: MeasuredPool): void {
    const labels = labelsOf(pool);
    const onTimed = (what: Timed, ms: number): void => {
      this.#times.get(what)?.record(ms / 1_000, labels);
    };
    const isNew = this.#pools.add(pool, () => pool.off('timed', onTimed));
    if (isNew) pool.on('timed', onTimed);
  }
}
