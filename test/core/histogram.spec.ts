import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Histogram } from '../../lib/core/histogram.js';

function histogramOf(times: readonly number[], now = 0): Histogram {
  const histogram = new Histogram();
  for (const ms of times) histogram.record(ms, now);
  return histogram;
}

/** The q-quantile of what was recorded. */
function exact(times: readonly number[], q: number): number {
  return times.toSorted((a, b) => a - b)[Math.ceil(times.length * q) - 1] as number;
}

const TIME = fc.double({ min: 0.01, max: 99_999, noNaN: true });

describe('a histogram of times', () => {
  it('tells half and 99 of 100 of them to within a quarter, never less than they were', () => {
    fc.assert(
      fc.property(fc.array(TIME, { minLength: 1, maxLength: 200 }), (times) => {
        const { p50, p99, count } = histogramOf(times).stats(0);
        expect(count).toBe(times.length);
        for (const [told, q] of [
          [p50, 0.5],
          [p99, 0.99],
        ] as const) {
          expect(told).toBeGreaterThanOrEqual(exact(times, q));
          expect(told).toBeLessThanOrEqual(exact(times, q) * 1.2801);
        }
      }),
    );
  });

  it('counts those within each bound, the bound included', () => {
    fc.assert(
      fc.property(fc.array(TIME, { maxLength: 50 }), (times) => {
        const { bounds, cumulative, count, sum } = histogramOf(times).distribution();
        expect(cumulative).toEqual(bounds.map((bound) => times.filter((ms) => ms <= bound).length));
        expect(count).toBe(times.length);
        expect(sum).toBeCloseTo(
          times.reduce((total, ms) => total + ms, 0),
          3,
        );
      }),
    );
    const { bounds, cumulative } = histogramOf([1, 2.5, 5, 10, 100_000]).distribution();
    expect(bounds.map((bound, at) => [bound, cumulative[at]]).slice(6)).toEqual([
      [1, 1], [2.5, 2], [5, 3], [10, 4], [25, 4], [50, 4], [100, 4], [250, 4], [500, 4], [1_000, 4], [2_500, 4],
      [5_000, 4], [10_000, 4], [25_000, 4], [50_000, 4], [100_000, 5],
    ]); // prettier-ignore
  });

  it('takes what is below its first bound and beyond its last', () => {
    const histogram = histogramOf([0, -1, 250_000]);
    expect(histogram.distribution()).toMatchObject({ count: 3, sum: 249_999 });
    expect(histogram.distribution().cumulative.at(-1)).toBe(2);
    expect(histogram.stats(0)).toMatchObject({ p50: 0.01, p99: 100_000 });
  });

  it('forgets for its quantiles, not for its sums, what is older than two windows', () => {
    const histogram = histogramOf([1_000, 1_000, 1_000], 0);
    expect(histogram.stats(29_999).p50).toBe(1_000);
    histogram.record(10, 30_000);
    expect(histogram.stats(30_000).p50).toBe(1_000);
    histogram.record(10, 60_000);
    expect(histogram.stats(60_000).p50).toBe(10);
    expect(histogram.stats(95_000).p50).toBe(10);
    expect(histogram.stats(125_000)).toEqual({ count: 5, sum: 3_020, p50: null, p99: null });
    expect(histogram.distribution().count).toBe(5);
  });
});
