import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { createCertificate } from '../support/certificates.js';
import { ABORTS, type EndPlan, LATE_CALLS, type LateCall, READINGS } from '../support/use-end.js';
import { type Lane, type LaneOptions, openMemoryLane, openSocketLane } from '../support/use-lanes.js';
import { blankTally, type Fault, type Tally, type UsePlan, UseRun } from '../support/use-run.js';

/** Uses, one after the other or at once, on few links. */
interface Schedule {
  readonly links: number;
  /** How many may be idle at the server. */
  readonly places: number;
  readonly maxUses: number | undefined;
  /** The end where both directions end at once (`allowHalfOpen: false`). */
  readonly fullClose: 'client' | 'server' | null;
  /** Whether the client gives up a dial, or the wait for a name, as soon as time passes (in memory). */
  readonly isHasty: boolean;
  readonly uses: readonly UsePlan[];
}

const size = fc.oneof(
  { weight: 3, arbitrary: fc.integer({ min: 1, max: 300 }) },
  { weight: 2, arbitrary: fc.integer({ min: 300, max: 20_000 }) },
  { weight: 1, arbitrary: fc.integer({ min: 20_000, max: 150_000 }) },
);

const abort: fc.Arbitrary<EndPlan['aborts']> = fc.record({
  when: fc.constantFrom(...ABORTS),
  after: fc.nat({ max: 12 }),
  hasError: fc.boolean(),
});

const lateCalls = fc.uniqueArray(fc.constantFrom(...(Object.keys(LATE_CALLS) as LateCall[])), {
  maxLength: 6,
  size: 'max',
});

/** What an end does. A rough one may destroy its connection. */
function endOf(isRough: boolean): fc.Arbitrary<EndPlan> {
  return fc.record({
    writes: fc.array(size, { maxLength: 3, size: 'max' }),
    pause: fc.nat({ max: 3 }),
    isPatientWriter: fc.boolean(),
    answers: fc.boolean(),
    reads: fc.constantFrom(...READINGS.filter((reading) => isRough || reading !== 'never')),
    patience: fc.nat({ max: 40 }),
    aborts: isRough ? fc.option(abort, { freq: 2 }) : fc.constant(null),
    isParticular: fc.boolean(),
    late: lateCalls,
    lateBy: fc.nat({ max: 20 }),
  });
}

const fault: fc.Arbitrary<Fault> = fc.record({
  after: fc.nat({ max: 40 }),
  do: fc.oneof(
    { weight: 14, arbitrary: fc.constantFrom<Fault['do'][]>('break its link', 'break all') },
    { weight: 10, arbitrary: fc.constantFrom<Fault['do'][]>('flush client', 'flush server') },
    { weight: 4, arbitrary: fc.constant<Fault['do']>('let time pass') },
    { weight: 1, arbitrary: fc.constantFrom<Fault['do'][]>('drain client', 'drain server', 'close client', 'close server') },
  ),
}); // prettier-ignore

function useOf(isRough: boolean): fc.Arbitrary<UsePlan> {
  return fc.record({
    after: fc.option(fc.nat({ max: 12 }), { freq: 5 }),
    first: fc.constantFrom('client' as const, 'server' as const),
    lag: isRough ? fc.option(fc.nat({ max: 12 }), { freq: 20 }) : fc.nat({ max: 12 }),
    isAskedInCallback: fc.boolean(),
    client: endOf(isRough),
    server: endOf(isRough),
    faults: fc.array(fault, { maxLength: isRough ? 2 : 0, size: 'max' }),
  });
}

function scheduleOf(isRough: boolean): fc.Arbitrary<Schedule> {
  return fc.integer({ min: 1, max: 3 }).chain((links) =>
    fc.record({
      links: fc.constant(links),
      places: fc.constantFrom(links, 64),
      maxUses: fc.option(fc.integer({ min: 1, max: 4 }), { freq: 4, nil: undefined }),
      fullClose: fc.option(fc.constantFrom('client' as const, 'server' as const), { freq: 6 }),
      isHasty: fc.boolean(),
      uses: fc.array(useOf(isRough), { minLength: 1, maxLength: 12, size: 'max' }),
    }),
  );
}

const schedules = fc.oneof(scheduleOf(false), scheduleOf(true));

function optionsOf({ links, places, maxUses, fullClose, isHasty }: Schedule): LaneOptions {
  const both = { claimTimeout: 400, drainTimeout: 0, ...(maxUses ? { maxUses } : {}) };
  const capacity = { minCapacity: links, maxCapacity: 2 * links };
  const pauses = { minInterval: 10, maxInterval: 50, maxBackoff: 50, dialTimeout: isHasty ? 100 : 30_000 };
  return {
    client: { ...both, ...capacity, ...pauses, allowHalfOpen: fullClose !== 'client' },
    server: { ...both, maxCapacity: places, allowHalfOpen: fullClose !== 'server' },
  };
}

type Open = (options: LaneOptions) => Promise<Lane>;

async function play(open: Open, tally: Tally, schedule: Schedule): Promise<void> {
  const lane = await open(optionsOf(schedule));
  expect(await new UseRun(lane, schedule.uses, tally).play()).toEqual([]);
}

/** Plays drawn schedules, no longer than so many milliseconds. To play one again, pass its `seed` and `path` on. */
async function playMany(
  open: Open,
  numRuns: number,
  ms: number,
  tally: Tally = { ...blankTally },
): Promise<Tally> {
  await fc.assert(
    fc.asyncProperty(schedules, (schedule) => play(open, tally, schedule)),
    { numRuns, plugins: [fc.interruptAfterTimeLimit(ms)] },
  );
  return tally;
}

/** What there is too little of. */
function missingIn(tally: Tally, least: Partial<Tally>): string[] {
  return Object.entries(least).flatMap(([what, count]) => {
    const found = tally[what as keyof Tally];
    return found >= count ? [] : [`${what}: ${found} of ${count}`];
  });
}

/** A fault that never came about proves nothing. */
function expectAtLeast(tally: Tally, least: Partial<Tally>): void {
  expect(missingIn(tally, least)).toEqual([]);
}

/** Says nothing, reads as it comes, and ends. */
const end: EndPlan = {
  writes: [],
  pause: 0,
  isPatientWriter: false,
  answers: false,
  reads: 'flow',
  patience: 0,
  aborts: null,
  isParticular: false,
  late: [],
  lateBy: 0,
};

const use: UsePlan = {
  after: null,
  first: 'server',
  lag: 0,
  isAskedInCallback: false,
  client: end,
  server: end,
  faults: [],
};

/** Schedules worth a name: what once failed comes here, too. */
const NAMED: Readonly<Record<string, { uses: readonly UsePlan[]; brings: Partial<Tally> }>> = {
  'a use that one end has ended before the other takes it': {
    uses: [{ ...use, lag: 12, server: { ...end, writes: [70_000] } }, use],
    brings: { complete: 2, endedEarly: 1, reused: 2 },
  },
  'a use of which neither end says anything, taken by each end first': {
    uses: [use, { ...use, first: 'client' }, { ...use, first: 'client', lag: 12, isAskedInCallback: true }],
    brings: { complete: 3, reused: 3 },
  },
  'a server that reads when its link has served two more uses': {
    uses: [
      { ...use, client: { ...end, writes: [40_000] }, server: { ...end, reads: 'late', patience: 200 } },
      { ...use, after: 20 },
      { ...use, after: 20 },
    ],
    brings: { complete: 3, outlived: 1, reused: 3 },
  },
  'a link that breaks under the use behind one that is not read yet': {
    uses: [
      { ...use, client: { ...end, writes: [40_000] }, server: { ...end, reads: 'late', patience: 200 } },
      { ...use, after: 20, server: { ...end, writes: [9, 9, 9], pause: 10 }, faults: [{ after: 8, do: 'break its link' }] },
    ],
    brings: { complete: 1, outlived: 1, broken: 1 },
  },
  'an abort right behind the end, and one when the end is written': {
    uses: [
      { ...use, server: { ...end, writes: [100_000], aborts: { when: 'behind end()', after: 0, hasError: false } } },
      { ...use, client: { ...end, writes: [100_000], aborts: { when: 'in finish', after: 0, hasError: true } }, server: { ...end, pause: 9, writes: [9] } },
      use,
    ],
    brings: { complete: 1, aborts: 2 },
  },
  'a link that is flushed at the end that has not taken it': {
    uses: [{ ...use, lag: 12, server: { ...end, pause: 5, writes: [9] }, faults: [{ after: 0, do: 'flush client' }] }, use],
    brings: { complete: 1, flushed: 1, unused: 1 },
  },
  'a use that the other end never takes': {
    uses: [{ ...use, lag: null, server: { ...end, writes: [100_000] } }, use],
    brings: { complete: 1, unused: 1 },
  },
}; // prettier-ignore

describe('a use of a link', () => {
  it.each(Object.entries(NAMED))(
    'is complete or broken off, whatever others do: %s',
    async (_, { uses, brings }) => {
      const tally = { ...blankTally };
      const schedule = { links: 1, places: 2, maxUses: undefined, fullClose: null, isHasty: false, uses };
      await play(openMemoryLane, tally, schedule);
      expect(tally).toMatchObject(brings);
    },
  );

  it('is complete, or broken off at an exact byte, in memory', async () => {
    const tally = await playMany(openMemoryLane, 2_000, 150_000);
    expectAtLeast(tally, {
      uses: 8_000,
      complete: 4_000,
      reused: 3_000,
      early: 4_000,
      endedEarly: 2_500,
      slow: 5_000,
      outlived: 200,
      aborts: 1_500,
      abortsBehindBoth: 500,
      broken: 1_000,
      spared: 50,
      flushed: 400,
      unused: 120,
      lateCalls: 40_000,
      particular: 6_000,
      crossed: 1_000,
    });
  }, 180_000);

  it.each([
    ['plain ws', false],
    ['TLS', true],
  ])(
    'is complete, or broken off at an exact byte, on sockets (%s)',
    async (_, isTls) => {
      const certificate = isTls ? await createCertificate() : null;
      const open: Open = (options) => openSocketLane(options, certificate);
      const least: Partial<Tally> = {
        uses: 150,
        complete: 80,
        reused: 40,
        early: 70,
        endedEarly: 70,
        slow: 80,
        aborts: 20,
        abortsBehindBoth: 8,
        broken: 10,
        flushed: 1,
        lateCalls: 600,
        particular: 100,
      };
      const tally = await playMany(open, 50, 60_000);
      // So few may happen to be tame ones.
      for (let more = 0; more < 3 && missingIn(tally, least).length > 0; more++)
        await playMany(open, 25, 15_000, tally);
      expectAtLeast(tally, least);
    },
    120_000,
  );
});
