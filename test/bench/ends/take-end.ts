import { createPool } from 'generic-pool';
import { Pool as LightningPool } from 'lightning-pool';
import { Pool as TarnPool } from 'tarn';
import { FakeClock } from '../../../lib/testing/fake-clock.js';
import { ServerRig, type StubLink } from '../../support/stub-link.js';
import { serve } from '../child.js';
import { quantile } from '../quantile.js';

// Pools in a process of its own, full of things that cost nothing: what it takes to take one.

/** How many are taken one after another before they are put back. */
const AT_ONCE = 10;

/** A pool in which everything is idle. */
interface Full<T> {
  take(): Promise<T>;
  putBack(thing: T): Promise<void>;
}

interface Thing {
  isOpen: boolean;
}

const factory = {
  create: () => Promise.resolve<Thing>({ isOpen: true }),
  destroy: (thing: Thing) => {
    thing.isOpen = false;
    return Promise.resolve();
  },
};

/** Takes all that a pool can create, so that it has them, and puts them back. */
async function fill<T>(pool: Full<T>, idle: number): Promise<Full<T>> {
  const things = await Promise.all(Array.from({ length: idle }, () => pool.take()));
  for (const thing of things) await pool.putBack(thing);
  return pool;
}

/** The core of this package with links that have no network, full. */
async function ownPool(idle: number): Promise<ServerRig> {
  const rig = new ServerRig(new FakeClock(), { maxCapacity: idle }, random32());
  await rig.pool.start();
  for (let i = 0; i < idle; i++) rig.admit();
  return rig;
}

/** Numbers that do not come again soon, by a full cycle of 2^32. */
function random32(): () => number {
  let last = 1;
  return () => (last = (Math.imul(last, 1_664_525) + 1_013_904_223) >>> 0);
}

function putBack(link: StubLink): Promise<void> {
  link.comeBack();
  return Promise.resolve();
}

const POOLS = {
  incomingGet: async (idle: number) => {
    const { pool } = await ownPool(idle);
    return { take: () => pool.incomingGet(), putBack };
  },
  outgoingGet: async (idle: number) => {
    const { pool, links } = await ownPool(idle);
    let next = 0;
    return { take: () => pool.outgoingGet((links[next++ % idle] as StubLink).id), putBack };
  },
  'generic-pool': (idle: number) => {
    const pool = createPool(factory, { min: idle, max: idle });
    return fill({ take: () => pool.acquire(), putBack: async (thing) => pool.release(thing) }, idle);
  },
  tarn: (idle: number) => {
    const pool = new TarnPool<Thing>({ ...factory, min: idle, max: idle });
    return fill(
      {
        take: () => pool.acquire().promise,
        putBack: (thing) => {
          pool.release(thing);
          return Promise.resolve();
        },
      },
      idle,
    );
  },
  'lightning-pool': (idle: number) => {
    const pool = new LightningPool<Thing>(factory, { min: idle, max: idle, minIdle: idle, maxQueue: idle });
    return fill(
      {
        take: () => pool.acquire(),
        putBack: (thing) => pool.releaseAsync(thing),
      },
      idle,
    );
  },
} as const;

let pool: Full<unknown> | undefined;

const handlers = {
  async open(kind: keyof typeof POOLS, idle: number): Promise<void> {
    pool = await POOLS[kind](idle);
  },

  /** Takes some and puts them back, again and again: the median time of each for one, in nanoseconds. */
  async take(rounds: number): Promise<{ take: number; putBack: number }> {
    const taking: number[] = [];
    const puttingBack: number[] = [];
    for (let round = 0; pool && round < rounds; round++) {
      const things: unknown[] = [];
      const start = process.hrtime.bigint();
      for (let i = 0; i < AT_ONCE; i++) things.push(await pool.take());
      const between = process.hrtime.bigint();
      for (const thing of things) await pool.putBack(thing);
      taking.push(Number(between - start) / AT_ONCE);
      puttingBack.push(Number(process.hrtime.bigint() - between) / AT_ONCE);
    }
    return { take: quantile(taking, 0.5), putBack: quantile(puttingBack, 0.5) };
  },
};

export type TakeHandlers = typeof handlers;

serve(handlers);
