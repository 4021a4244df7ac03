import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { FakeClock } from '../../lib/testing/fake-clock.js';
import { ClientRig, idSource } from '../support/stub-link.js';

interface Run {
  readonly minCapacity: number;
  readonly maxCapacity: number;
  readonly minInterval: number;
  readonly maxInterval: number;
  /** How many idle connections are taken in each round's pause. */
  readonly takes: readonly number[];
}

interface Step {
  capacity: number;
  interval: number;
  dialled: number;
}

/** NPWS's client manager, written down rule by rule. Each dial of a round succeeds within it. */
function literalRun(run: Run, plan: number[]): Step[] {
  let { minCapacity: capacity, minInterval: interval } = run;
  let active = 0;
  return run.takes.map((_, round): Step => {
    if (active < Math.trunc(capacity * 0.2)) interval = Math.max(interval - 100, run.minInterval);
    else if (active > Math.trunc(capacity * 0.8)) interval = Math.min(interval + 100, run.maxInterval);
    const dialled = Math.max(0, capacity - active);
    active += dialled;
    const ratio = dialled / capacity;
    if (ratio < 0.2) capacity = Math.max(capacity - 1, run.minCapacity);
    else if (ratio > 0.8) capacity = Math.min(capacity + 1, run.maxCapacity);
    plan[round] = Math.min(run.takes[round] ?? 0, active);
    active -= plan[round] ?? 0;
    return { capacity, interval, dialled };
  });
}

/** The same run on the real manager, read just before each next round. */
async function realRun(run: Run, plan: readonly number[]): Promise<Step[]> {
  const clock = new FakeClock();
  const { takes, ...options } = run;
  const rig = new ClientRig(clock, { ...options, maxConcurrentDials: 10_000 });
  const freshId = idSource();
  const steps: Step[] = [];
  for (let round = 0; round <= takes.length; round++) {
    // Hunger ends a pause early. That brings rounds sooner, but changes nothing in what they do.
    const isHungry = rig.pool.active() < rig.pool.capacity() * 0.2;
    if (round === 0) await rig.pool.start();
    else clock.advance(isHungry ? options.minInterval : rig.pool.interval());
    // A round's adjustment of the capacity shows when the next one begins.
    const last = steps.at(-1);
    if (last) last.capacity = rig.pool.capacity();
    steps.push({ capacity: NaN, interval: rig.pool.interval(), dialled: rig.flights.size });
    rig.arriveAll(freshId);
    for (let left = plan[round] ?? 0; left > 0; left--) void rig.pool.incomingGet(0);
  }
  return steps.slice(0, -1);
}

const runs = fc
  .record({
    capacities: fc.tuple(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 60 })),
    intervals: fc.tuple(fc.integer({ min: 1, max: 3_000 }), fc.integer({ min: 1, max: 3_000 })),
    takes: fc.array(fc.oneof(fc.constant(0), fc.nat({ max: 8 }), fc.nat({ max: 60 })), {
      minLength: 5,
      maxLength: 60,
    }),
  })
  .map(({ capacities, intervals, takes }): Run => {
    const [minCapacity = 1, maxCapacity = 1] = [...capacities].sort((one, other) => one - other);
    const [minInterval = 1, maxInterval = 1] = [...intervals].sort((one, other) => one - other);
    return { minCapacity, maxCapacity, minInterval, maxInterval, takes };
  });

describe('the manager', () => {
  it("goes through the capacities and intervals of NPWS's rules", async () => {
    const seen = { grew: 0, shrank: 0, faster: 0, slower: 0 };
    await fc.assert(
      fc.asyncProperty(runs, async (run) => {
        const plan: number[] = [];
        const literal = literalRun(run, plan);
        expect(await realRun(run, plan)).toEqual(literal);
        literal.forEach((step, round) => {
          const before = literal[round - 1];
          if (!before) return;
          seen.grew += step.capacity > before.capacity ? 1 : 0;
          seen.shrank += step.capacity < before.capacity ? 1 : 0;
          seen.faster += step.interval < before.interval ? 1 : 0;
          seen.slower += step.interval > before.interval ? 1 : 0;
        });
      }),
      { numRuns: 300 },
    );
    // Every rule had its turn.
    expect(Math.min(seen.grew, seen.shrank, seen.faster, seen.slower)).toBeGreaterThan(100);
  });
});
