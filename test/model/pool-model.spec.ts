import { isDeepStrictEqual } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { NpwsError, type NpwsErrorCode, type PoolRole } from '../../lib/core/errors.js';
import type { PoolEvents } from '../../lib/core/pool-events.js';
import type { Pool } from '../../lib/core/pool.js';
import type { ServiceLimits } from '../../lib/core/retirement.js';
import type { Slot } from '../../lib/core/server-pool.js';
import type { PoolStats } from '../../lib/core/stats.js';
import { FakeClock } from '../../lib/testing/fake-clock.js';
import { ClientRig, ServerRig, type StubLink } from '../support/stub-link.js';
import { free, type Get, INVARIANTS, type Service, waiting, type World } from './invariants.js';

/** What may happen to a pool. `at` picks one of the things that it may happen to. */
type Action =
  | { readonly do: 'start' | 'flush' | 'drain' | 'close' }
  | {
      readonly do: 'get';
      readonly id: string | undefined;
      readonly timeout: number;
      readonly signal: boolean;
    }
  | { readonly do: 'abort' | 'begin' | 'endCleanly' | 'cut' | 'vanish'; readonly at: number }
  | { readonly do: 'advance'; readonly ms: number }
  | { readonly do: 'comeBack'; readonly at: number }
  | {
      readonly do: 'listen';
      readonly to: keyof PoolEvents;
      readonly then: 'take' | 'flush' | 'drain' | 'close';
    }
  | {
      readonly do: 'arrive';
      readonly at: number;
      readonly id: string;
      readonly begun: boolean;
      readonly renewable: boolean;
    }
  | { readonly do: 'rename'; readonly at: number; readonly id: string }
  | { readonly do: 'fail' | 'refuse'; readonly at: number }
  | { readonly do: 'connect'; readonly renewable: boolean }
  | { readonly do: 'reserve' }
  | { readonly do: 'fill'; readonly at: number; readonly renewable: boolean }
  | { readonly do: 'release'; readonly at: number };

const ids = fc.constantFrom('00000000', '00000001', '00000002', '00000003', '00000004', '00000005');
const at = fc.nat({ max: 20 });
const rarely = fc.nat({ max: 9 }).map((drawn) => drawn === 0);
const renewable = fc.nat({ max: 3 }).map((drawn) => drawn !== 0);

const common = [
  { weight: 4, arbitrary: fc.record({ do: fc.constant('get' as const), id: fc.option(ids, { nil: undefined, freq: 1 }), timeout: fc.constantFrom(0, 50, 700, 5_000, Infinity), signal: fc.boolean() }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('begin', 'endCleanly', 'cut', 'vanish', 'abort'), at }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('comeBack' as const), at }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('advance' as const), ms: fc.constantFrom(0, 1, 50, 100, 1_000, 30_000) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('flush' as const, 'start' as const) }) },
]; // prettier-ignore

/** At the next event of a kind, somebody does something to the pool from within it. */
const listening: fc.WeightedArbitrary<Action> = {
  weight: 3,
  arbitrary: fc.record({
    do: fc.constant('listen' as const),
    to: fc.oneof(
      fc.constant('change' as const),
      fc.constantFrom(
        'connect',
        'reuse',
        'disconnect',
        'dialError',
        'outage',
        'recover',
        'adjust',
        'errorAdded',
      ),
    ),
    then: fc.constantFrom(
      'take' as const,
      'take' as const,
      'flush' as const,
      'drain' as const,
      'close' as const,
    ),
  }),
};

/** A long life, and what may come behind its end. Unless its size is said, fast-check draws 10 actions at most. */
function lives(...actions: fc.WeightedArbitrary<Action>[]): fc.Arbitrary<Action[]> {
  const action = fc.oneof(...actions);
  const ending = fc.record({ do: fc.constantFrom('drain' as const, 'close' as const) });
  const life = fc.array(action, { maxLength: 80, size: 'max' });
  return fc
    .tuple(life, fc.option(ending), fc.array(action, { maxLength: 10 }))
    .map(([before, end, behind]) => (end ? [...before, end, ...behind] : before));
}

const clientActions = [
  ...common,
  { weight: 8, arbitrary: fc.record({ do: fc.constant('arrive' as const), at, id: ids, begun: rarely, renewable }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('rename' as const), at, id: ids }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('fail' as const, 'refuse' as const), at }) },
] as fc.WeightedArbitrary<Action>[]; // prettier-ignore

const serverActions = [
  ...common,
  { weight: 4, arbitrary: fc.record({ do: fc.constant('connect' as const), renewable }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('reserve' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('fill' as const), at, renewable }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('release' as const), at }) },
] as fc.WeightedArbitrary<Action>[]; // prettier-ignore

const EXPECTED_FAILURES: readonly NpwsErrorCode[] = [
  'ERR_NPWS_TIMEOUT',
  'ERR_NPWS_ABORTED',
  'ERR_NPWS_DRAINING',
  'ERR_NPWS_CLOSED',
  'ERR_NPWS_TOO_MANY_WAITERS',
];

const canComeBack = ({ isUsed, renewable, isLive }: StubLink): boolean => isUsed && renewable && isLive;
const isGivenBack = (link: StubLink): boolean => link.isGivenBack;

/** Lets promises settle. None of the pool's own work waits for anything but promises and the fake clock. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 12; turn++) await Promise.resolve();
}

/** Does what actions say to a pool, whichever its role, and checks every invariant after each. */
class Run {
  readonly world: World;
  readonly #gets: Get[] = [];
  readonly #aborts: AbortController[] = [];
  readonly #slots: Slot<StubLink>[] = [];
  readonly #unexpected: unknown[] = [];
  readonly #services = new Map<StubLink, Service>();
  /** The pool's numbers when it last told of a change. */
  #told: Partial<PoolStats>;

  constructor(
    private readonly pool: Pool<StubLink>,
    private readonly clock: FakeClock,
    private readonly rig: ClientRig | ServerRig,
    { reserveControl, ...limits }: ServiceLimits & { readonly reserveControl: boolean },
  ) {
    const slots = this.#slots;
    this.#told = this.#numbers();
    const note = (): void => {
      this.#told = this.#numbers();
    };
    pool.on('change', note).on('close', note);
    this.world = {
      pool,
      links: rig.links,
      gets: this.#gets,
      get promised(): string[] {
        return slots.map(({ id }) => id);
      },
      get inFlight(): number {
        return rig instanceof ClientRig ? rig.flights.size : 0;
      },
      reserveControl,
      maxCapacity: pool.stats().maxCapacity,
      limits,
      get now(): number {
        return clock.now();
      },
      services: this.#services,
      before: { free: [], waiting: [], gets: 0 },
    };
  }

  async do(actions: readonly Action[]): Promise<void> {
    for (const action of actions) {
      this.world.before = {
        free: free(this.world),
        waiting: waiting(this.world),
        gets: this.#gets.length,
      };
      const renewals = this.rig.links.map((link) => link.renewals);
      this.#act(action);
      this.#noteNames(renewals);
      await settle();
      this.#check(action);
    }
    await this.#finish();
  }

  /** What was named by the last step, the only one to know when: names come when the clock stands still. */
  #noteNames(renewals: readonly number[]): void {
    const now = this.clock.now();
    this.rig.links.forEach((link, index) => {
      const since = this.#services.get(link)?.since ?? now;
      if (link.renewals !== renewals[index]) this.#services.set(link, { since, idleSince: now });
    });
  }

  #act(action: Action): void {
    const pick = <T>(things: Iterable<T>, index: number): T | undefined => {
      const list = [...things];
      return list[index % Math.max(list.length, 1)];
    };
    const { rig, pool } = this;
    const there = rig.links.filter(({ isGone }) => !isGone);
    switch (action.do) {
      case 'start':
        void pool.start().catch(() => undefined);
        break;
      case 'flush':
        pool.flush();
        break;
      case 'drain':
        pool.drain();
        break;
      case 'close':
        void pool.close();
        break;
      case 'get':
        this.#get(action.id, action.timeout, action.signal);
        break;
      case 'abort':
        pick(this.#aborts, action.at)?.abort();
        break;
      case 'begin':
        pick(there, action.at)?.begin();
        break;
      case 'endCleanly':
        pick(there, action.at)?.end(true);
        break;
      case 'cut':
        pick(there, action.at)?.end(false);
        break;
      case 'vanish':
        pick(there, action.at)?.vanish();
        break;
      case 'advance':
        this.clock.advance(action.ms);
        break;
      case 'listen':
        pool.once(action.to, () => {
          // Whose turn it is can't be told from outside any more.
          this.world.before = { free: [], waiting: [], gets: this.#gets.length };
          if (action.then === 'take') this.#get(undefined, 0, false);
          else if (action.then === 'close') void pool.close();
          else pool[action.then]();
        });
        break;
      case 'comeBack':
        pick(there.filter(canComeBack), action.at)?.comeBack();
        break;
      case 'rename':
        pick(there.filter(isGivenBack), action.at)?.rename(action.id);
        break;
      case 'arrive':
        if (rig instanceof ClientRig)
          pick(rig.flights, action.at)?.arrive(action.id, action.begun, action.renewable);
        break;
      case 'fail':
        if (rig instanceof ClientRig) pick(rig.flights, action.at)?.fail();
        break;
      case 'refuse':
        if (rig instanceof ClientRig) pick(rig.flights, action.at)?.refuse();
        break;
      case 'connect':
        if (rig instanceof ServerRig && rig.isListening) rig.connect(action.renewable);
        break;
      case 'reserve': {
        const slot = rig instanceof ServerRig && rig.isListening ? rig.gate.reserve() : undefined;
        if (slot) this.#slots.push(slot);
        break;
      }
      case 'fill':
      case 'release': {
        const slot = pick(this.#slots, action.at);
        if (!slot || !(rig instanceof ServerRig)) break;
        this.#slots.splice(this.#slots.indexOf(slot), 1);
        if (action.do === 'fill') rig.fill(slot, action.renewable);
        else slot.release();
        break;
      }
    }
  }

  #get(id: string | undefined, timeout: number, hasSignal: boolean): void {
    const get: Get = { id, settled: 0, link: null, name: null };
    this.#gets.push(get);
    const controller = new AbortController();
    if (hasSignal) this.#aborts.push(controller);
    const wait = hasSignal ? { timeout, signal: controller.signal } : { timeout };
    const promise = id === undefined ? this.pool.incomingGet(wait) : this.pool.outgoingGet(id, wait);
    promise.then(
      (link) => {
        get.settled++;
        get.link = link;
        get.name = link.id;
        // Handing out what is known to be dead would be a bug; what a peer wrote before a clean end is alive.
        if (link.wasCut || (link.closedWith !== null && !link.isGone))
          this.#unexpected.push(`${link.id} was dead`);
      },
      (error: unknown) => {
        get.settled++;
        if (!(error instanceof NpwsError) || !EXPECTED_FAILURES.includes(error.code))
          this.#unexpected.push(error);
      },
    );
  }

  #check(after: Action | 'close'): void {
    if (this.#unexpected.length > 0) expect(this.#unexpected).toEqual([]);
    for (const [name, invariant] of Object.entries(INVARIANTS)) {
      const problem = invariant(this.world);
      if (problem) throw new Error(`${name}: ${problem}, after ${JSON.stringify(after)}`);
    }
    // Jest's own comparison takes longer than all else here.
    if (!isDeepStrictEqual(this.#told, this.#numbers())) expect(this.#told).toEqual(this.#numbers());
  }

  /** What a change must be told of. A server's slots are reserved and spent in one step, so they are no news. */
  #numbers(): Partial<PoolStats> {
    const { connecting, lastDialError, times, ...numbers } = this.pool.stats();
    const failure = lastDialError && { ...lastDialError, age: 0 };
    // What recent ones took is a matter of time.
    const timed = Object.values(times).map(({ count, sum }) => [count, sum]);
    return {
      ...numbers,
      ...{ timed },
      lastDialError: failure,
      ...(numbers.role === 'client' ? { connecting } : {}),
    };
  }

  /** I13, I14: closes, twice, and looks for anything left. */
  async #finish(): Promise<void> {
    const closing = this.pool.close();
    expect(this.pool.close()).toBe(closing);
    expect(this.pool.flush()).toBe(0);
    for (const slot of this.#slots.splice(0)) slot.release();
    await settle();
    this.clock.advance(60_000);
    await settle();
    for (const link of this.rig.links) if (link.keeper) link.vanish(true);
    await settle();
    expect(this.pool.stats().state).toBe('closed');
    await closing;
    this.#check('close');
    expect(waiting(this.world)).toEqual([]);
    expect(free(this.world)).toEqual([]);
    expect(this.world.inFlight).toBe(0);
    expect(this.clock.pending).toBe(0);
    const { active, owed, used, connecting } = this.pool.stats();
    expect({ active, owed, used, connecting }).toEqual({ active: 0, owed: 0, used: 0, connecting: 0 });
  }
}

const settings = fc.record({
  reserveControl: fc.boolean(),
  maxCapacity: fc.integer({ min: 1, max: 6 }),
  maxWaiters: fc.constantFrom(3, 100),
  maxUses: fc.constantFrom(1, 2, 3, 1_000),
  maxLifetime: fc.constantFrom(500, 20_000, 1_800_000),
  maxIdle: fc.constantFrom(300, 5_000, 1_800_000),
  draws: fc.array(fc.nat({ max: 0xffff_ffff }), { minLength: 1, maxLength: 20, size: 'max' }),
});

/** Few different numbers, so that IDs collide. */
function randomFrom(draws: readonly number[]): () => number {
  let next = 0;
  return () => (draws[next++ % draws.length] ?? 0) % 9;
}

async function expectInvariants(
  role: PoolRole,
  actions: fc.Arbitrary<Action[]>,
  numRuns: number,
): Promise<void> {
  await fc.assert(
    fc.asyncProperty(settings, actions, async ({ draws, ...options }, life) => {
      const clock = new FakeClock();
      const client = {
        minCapacity: 1,
        minInterval: 100,
        maxInterval: 1_000,
        claimTimeout: 2_000,
        dialTimeout: 700,
      };
      const rig =
        role === 'client'
          ? new ClientRig(clock, { ...options, ...client }, () => draws[0] ?? 0)
          : new ServerRig(clock, { ...options, claimTimeout: 2_000 }, randomFrom(draws));
      await rig.pool.start();
      await new Run(rig.pool, clock, rig, options).do(life);
    }),
    { numRuns },
  );
}

describe('whatever happens to it', () => {
  it('a client pool keeps its invariants', async () => {
    await expectInvariants('client', lives(...clientActions), 2_000);
  }, 60_000);

  it('a server pool keeps its invariants', async () => {
    await expectInvariants('server', lives(...serverActions), 2_000);
  }, 60_000);
});

describe('whatever its listeners do to it', () => {
  it('a client pool keeps its invariants', async () => {
    await expectInvariants('client', lives(...clientActions, listening), 1_000);
  }, 60_000);

  it('a server pool keeps its invariants', async () => {
    await expectInvariants('server', lives(...serverActions, listening), 1_000);
  }, 60_000);
});
