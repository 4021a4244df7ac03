import { describe, expect, it } from '@jest/globals';
import { type Contest, figuresOf, isMet, reached, type Sample, type Side, takeTurns } from './contest.js';
import { reportOf } from './report.js';
import { summaryOf } from './summary.js';
import { tableOf } from './table.js';

const CONTEST: Omit<Contest, 'sides'> = {
  name: 'race',
  work: 'a lap',
  metrics: [
    { key: 'rate', unit: 'laps/s', better: 'more' },
    { key: 'cpu', unit: 'CPU ms', better: 'less' },
  ],
  targets: [
    { metric: 'rate', peer: 'hare', atLeast: 0.5 },
    { metric: 'cpu', peer: null, atMost: 2 },
  ],
};

const SAMPLES = new Map<string, Sample[]>([
  ['tortoise', [{ rate: 10, cpu: 1 }, { rate: 40, cpu: 3 }, { rate: 20, cpu: 5 }]],
  ['hare', [{ rate: 10, cpu: 1 }, { rate: 100, cpu: 3 }, { rate: 10, cpu: 10 }]],
]); // prettier-ignore

/** Sides that note who worked, and how much. */
function notingSides(notes: string[]): Side[] {
  return ['a', 'b', 'c'].map((name) => ({
    name,
    start: () =>
      Promise.resolve({
        children: {},
        measure: (share) => Promise.resolve({ rate: notes.push(`${name} ${share}`) }),
        [Symbol.asyncDispose]: () => Promise.resolve(void notes.push(`${name} gone`)),
      }),
  }));
}

describe('a contest', () => {
  it('has each side work in each run, another one first each time, warm, in processes of its own', async () => {
    const notes: string[] = [];
    const samples = await takeTurns({ sides: notingSides(notes) }, 3, () => undefined);
    const turn = (side: string): string[] => [`${side} 0.25`, `${side} 1`, `${side} gone`];
    expect(notes).toEqual(['a', 'b', 'c', 'b', 'c', 'a', 'c', 'a', 'b'].flatMap(turn));
    expect([...samples.values()].map((each) => each.length)).toEqual([3, 3, 3]);
  });

  it('compares run by run: the median of ratios, not the ratio of medians', () => {
    const [rate, cpu] = figuresOf(CONTEST, SAMPLES);
    expect(rate).toMatchObject({
      name: 'race',
      runs: 3,
      ours: { least: 10, median: 20, most: 40 },
      ratios: { hare: { least: 0.4, median: 1, most: 2 } },
    });
    expect(cpu).toMatchObject({ name: 'race-cpu', ratios: { hare: { least: 0.5, median: 1, most: 1 } } });
  });

  it('says whether a target is met, by a ratio or by the figure itself', () => {
    const verdicts = figuresOf(CONTEST, SAMPLES).flatMap((figures) =>
      figures.targets.map((target) => [reached(figures, target), isMet(figures, target)]),
    );
    expect(verdicts).toEqual([
      [1, true],
      [3, false],
    ]);
    const table = tableOf(figuresOf(CONTEST, SAMPLES));
    expect(table).toContain('✓ rate at least 0.50 of hare: 1.00');
    expect(table).toContain('✗ cpu at most 2 CPU ms: 3.00');
  });

  it('does not judge by a peer that did not run', () => {
    const alone = new Map([...SAMPLES].slice(0, 1));
    expect(tableOf(figuresOf(CONTEST, alone))).not.toContain('hare');
  });
});

describe('a report', () => {
  it('has the figures, the ratios, the machine and the number of runs', () => {
    const report = reportOf({ node: 'v1' }, figuresOf(CONTEST, SAMPLES));
    expect(report.machine).toEqual({ node: 'v1' });
    expect(report.rows[0]).toMatchObject({
      name: 'race',
      unit: 'laps/s',
      ours: 20,
      peers: { hare: 10 },
      ratios: { hare: 1 },
      runs: 3,
    });
  });

  it('makes lines of the rows that are asked for, and misses none', () => {
    const report = reportOf({ node: 'v1' }, figuresOf(CONTEST, SAMPLES));
    expect(summaryOf(report, ['race-cpu', 'race']).split('\n').slice(-2)).toEqual([
      '| `race-cpu` | a lap | 3.00 CPU ms, less is better | 1.00 × hare |',
      '| `race` | a lap | 20.0 laps/s | 1.00 × hare |',
    ]);
    expect(() => summaryOf(report, ['race', 'swim'])).toThrow('the report has no swim');
  });
});
