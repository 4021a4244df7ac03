import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { adjustCapacity, adjustInterval } from '../../lib/core/adjust.js';

describe('the interval', () => {
  const bounds = { min: 500, max: 2_000 };

  it.each([
    [1_000, 1, 10, 900],
    [1_000, 2, 10, 1_000],
    [1_000, 8, 10, 1_000],
    [1_000, 9, 10, 1_100],
    // 20 % and 80 % of 7 are 1.4 and 5.6: truncated, as NPWS does.
    [1_000, 0, 7, 900],
    [1_000, 1, 7, 1_000],
    [1_000, 5, 7, 1_000],
    [1_000, 6, 7, 1_100],
    // Of a capacity under 5, none idle is not few.
    [1_000, 0, 4, 1_000],
    [550, 0, 10, 500],
    [1_950, 10, 10, 2_000],
  ])('%p ms becomes, with %p of %p idle, %p ms', (interval, idle, capacity, expected) => {
    expect(adjustInterval(interval, idle, capacity, bounds)).toBe(expected);
  });
});

describe('the capacity', () => {
  const bounds = { min: 2, max: 12 };

  it.each([
    [10, 0, 9],
    [10, 1, 9],
    [10, 2, 10],
    [10, 8, 10],
    [10, 9, 11],
    [2, 0, 2],
    [12, 12, 12],
    [10, 25, 11],
  ])('%p becomes, with %p created, %p', (capacity, created, expected) => {
    expect(adjustCapacity(capacity, created, bounds)).toBe(expected);
  });

  it('and the interval stay within their bounds and move one step at a time', () => {
    const number = fc.integer({ min: 1, max: 10_000 });
    fc.assert(
      fc.property(number, number, number, fc.nat({ max: 20_000 }), (one, other, at, count) => {
        const limits = { min: Math.min(one, other), max: Math.max(one, other) };
        const value = Math.min(Math.max(at, limits.min), limits.max);
        const capacity = adjustCapacity(value, count, limits);
        const interval = adjustInterval(value, count, at, limits);
        expect(Math.abs(capacity - value)).toBeLessThanOrEqual(1);
        expect(Math.abs(interval - value)).toBeLessThanOrEqual(100);
        for (const result of [capacity, interval]) {
          expect(result).toBeGreaterThanOrEqual(limits.min);
          expect(result).toBeLessThanOrEqual(limits.max);
        }
      }),
    );
  });
});
