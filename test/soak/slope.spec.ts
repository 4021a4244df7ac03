import { describe, expect, it } from '@jest/globals';
import { Dice } from '../support/dice.js';
import { type Reading, slopeOf, verdictOf } from './slope.js';

// What the soak would find, and what it must not. Noise is drawn from seeds: ten runs of each kind.

const LIMIT = { perHour: 1, inAll: 0.25 };

const SEEDS = Array.from({ length: 10 }, (_, index) => index);

/** Readings every 5 s: a leak of so many MiB an hour beneath noise that is up to `noise` MiB off to either side. */
function series(seed: number, minutes: number, leak: number, noise: number): Reading[] {
  const dice = new Dice(Dice.seedOf(1, seed));
  return Array.from({ length: minutes * 12 }, (_, index) => {
    const at = (index * 5) / 3_600;
    return { at, value: 20 + leak * at + noise * ((2 * dice.next()) / 2 ** 32 - 1) };
  });
}

const verdicts = (of: (seed: number) => readonly Reading[]): unknown[] => [
  ...new Set(SEEDS.map((seed) => verdictOf(of(seed), LIMIT))),
];

describe('the slope', () => {
  it('is that of a line, without error', () => {
    const line = [0, 1, 2, 5].map((at) => ({ at, value: 3 + 2 * at }));
    expect(slopeOf(line).perHour).toBeCloseTo(2, 10);
    expect(slopeOf(line).error).toBeCloseTo(0, 10);
  });

  it('has the standard error that the book gives', () => {
    const values = [2, 4, 5, 4, 5];
    const { perHour, error } = slopeOf(values.map((value, index) => ({ at: index + 1, value })));
    // Residuals -0.8, 0.6, 1, -0.6, -0.2: neighbours have nothing in common.
    expect(perHour).toBeCloseTo(0.6, 10);
    expect(error).toBeCloseTo(Math.sqrt(2.4 / 3 / 10), 10);
  });

  it('is unknown of two readings, and of readings at one time', () => {
    const [first, second] = [0, 1].map((at) => ({ at, value: at }));
    expect(slopeOf([first, second] as Reading[])).toEqual({ perHour: NaN, error: NaN });
    expect(slopeOf([1, 2, 3].map((value) => ({ at: 1, value })))).toEqual({ perHour: NaN, error: NaN });
  });
});

describe('the verdict', () => {
  it('finds a leak of 5 MiB an hour in noise of half a MiB', () => {
    expect(verdicts((seed) => series(seed, 30, 5, 0.5))).toEqual(['grows']);
  });

  it('finds it in 4 minutes when there is little noise', () => {
    expect(verdicts((seed) => series(seed, 4, 5, 0.03))).toEqual(['grows']);
  });

  it('passes what is flat beneath that noise', () => {
    expect(verdicts((seed) => series(seed, 60, 0, 0.5))).toEqual(['flat']);
  });

  it('passes what grows more slowly than the limit', () => {
    expect(verdicts((seed) => series(seed, 60, 0.4, 0.2))).toEqual(['flat']);
  });

  it('claims nothing of a short run in which nothing leaks, neither that it grows nor that it is flat', () => {
    expect(verdicts((seed) => series(seed, 2, 0, 0.5))).toEqual(['unproven']);
  });

  it('never claims of a short run with a leak that it is flat', () => {
    expect(verdicts((seed) => series(seed, 2, 5, 0.5))).not.toContain('flat');
  });

  it('claims nothing of a few readings, however steep', () => {
    expect(verdictOf(series(0, 60, 50, 0).slice(0, 9), LIMIT)).toBe('unproven');
    expect(verdictOf([], LIMIT)).toBe('unproven');
  });

  it('claims nothing of what grows steeply, but by little in all', () => {
    expect(verdicts((seed) => series(seed, 2, 5, 0.01))).toEqual(['unproven']);
  });

  it('takes one step for no leak', () => {
    const step = (seed: number): Reading[] =>
      series(seed, 4, 0, 0.01).map(({ at, value }, index) => ({
        at,
        value: value + (index < 24 ? 0 : 0.05),
      }));
    expect(verdicts(step)).not.toContain('grows');
  });
});
