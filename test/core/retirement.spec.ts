import { describe, expect, it } from '@jest/globals';
import type { Cancel } from '../../lib/core/clock.js';
import type { Random } from '../../lib/core/random.js';
import { FakeClock } from '../../lib/testing/fake-clock.js';
import { memoryInUse } from '../support/memory.js';
import {
  HIGHEST,
  idSource,
  LOWEST,
  ServerRig,
  startedClient,
  startedServer,
  type StubLink,
} from '../support/stub-link.js';

const MINUTE = 60_000;

/** Draws the middle: lifetimes are what was asked for. */
const HALFWAY: Random = () => 0x8000_0000;

/** What Node's timers can wait for. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** A clock that knows how long it was ever asked to wait. */
class WatchedClock extends FakeClock {
  longest = 0;

  override after(ms: number, callback: () => void): Cancel {
    this.longest = Math.max(this.longest, ms);
    return super.after(ms, callback);
  }
}

/** Uses a connection of a server once, for no time. */
async function use(rig: ServerRig, link: StubLink): Promise<void> {
  await rig.pool.outgoingGet(link.id, 0);
  link.comeBack();
}

describe('a connection that has served maxUses', () => {
  it('is not named again by a server', async () => {
    const rig = await startedServer({ maxUses: 3 });
    const link = rig.admit();
    await use(rig, link);
    await use(rig, link);
    expect([link.renewals, link.closedWith]).toEqual([2, null]);
    await use(rig, link);
    expect([link.renewals, link.closedWith, link.closedFor]).toEqual([2, 1000, 'used long enough']);
    link.vanish(true);
    expect(rig.pool.stats()).toMatchObject({ reused: 2, evicted: 0, closed: { retired: 1 } });
  });

  it('is not given back by a client, and another one is dialled', async () => {
    const rig = await startedClient({ maxUses: 1 });
    rig.arriveAll(idSource(), true);
    const link = await rig.pool.incomingGet(0);
    link.comeBack();
    expect([link.isGivenBack, link.closedWith, link.closedFor]).toEqual([false, 1000, 'used long enough']);
    expect(rig.pool.stats()).toMatchObject({ connecting: 0, used: 0, errors: 0 });
    rig.clock.advance(1_000);
    expect(rig.flights.size).toBe(1);
  });

  it('has its own count', async () => {
    const rig = await startedServer({ maxUses: 2 });
    const [one, other] = [rig.admit(), rig.admit()];
    await use(rig, one);
    await use(rig, other);
    expect([one.closedWith, other.closedWith]).toEqual([null, null]);
  });
});

describe('a connection that has lived for maxLifetime', () => {
  it.each([
    ['27', LOWEST, 27 * MINUTE],
    ['almost 33', HIGHEST, 33 * MINUTE],
  ])('is closed while idle, after %s minutes unless told otherwise', async (_, random, lifetime) => {
    const rig = await startedServer({}, random);
    const link = rig.admit();
    rig.clock.advance(lifetime - 1);
    expect(link.closedWith).toBeNull();
    rig.clock.advance(1);
    expect([link.closedWith, link.closedFor]).toEqual([1000, 'used long enough']);
    link.vanish(true);
    expect(rig.pool.stats()).toMatchObject({ active: 0, evicted: 0, closed: { retired: 1 } });
  });

  it('counts from its hand-shake, not from its last name', async () => {
    const rig = await startedServer({ maxLifetime: 10 * MINUTE }, HALFWAY);
    const link = rig.admit();
    for (let minute = 0; minute < 9; minute++) {
      rig.clock.advance(MINUTE);
      await use(rig, link);
    }
    rig.clock.advance(MINUTE - 1);
    expect([link.renewals, link.closedWith]).toEqual([9, null]);
    rig.clock.advance(1);
    expect(link.closedFor).toBe('used long enough');
  });

  it.each([
    [10 * MINUTE - 1, 1],
    [10 * MINUTE, 0],
    [60 * MINUTE, 0],
  ])('is left alone while it is used: coming back after %i ms it is named %i times', async (ms, names) => {
    const rig = await startedServer({ maxLifetime: 10 * MINUTE }, HALFWAY);
    const link = rig.admit();
    await rig.pool.incomingGet(0);
    rig.clock.advance(ms);
    expect(link.closedWith).toBeNull();
    link.comeBack();
    expect([link.renewals, link.closedFor]).toEqual([names, names === 1 ? null : 'used long enough']);
  });

  it('is spread, so that those that came together do not go together', async () => {
    const draws = [0x8000_0000, 0, 1, 0x4000_0000, 2, 0xffff_ffff];
    const rig = await startedServer({ maxLifetime: 100_000 }, () => draws.shift() ?? 0);
    // The first ID is not drawn.
    const links = [rig.admit(), rig.admit(), rig.admit()];
    const areClosed = (): boolean[] => links.map(({ closedWith }) => closedWith !== null);
    rig.clock.advance(95_000);
    expect(areClosed()).toEqual([false, true, false]);
    rig.clock.advance(5_000);
    expect(areClosed()).toEqual([true, true, false]);
    rig.clock.advance(9_999);
    expect(areClosed()).toEqual([true, true, false]);
    rig.clock.advance(1);
    expect(areClosed()).toEqual([true, true, true]);
  });

  it('may live for longer than timers can wait', async () => {
    const clock = new WatchedClock();
    const rig = new ServerRig(clock, { maxLifetime: LONGEST_TIMER }, HIGHEST);
    await rig.pool.start();
    const link = rig.admit();
    clock.advance(Math.floor(LONGEST_TIMER * 1.09));
    expect(link.closedWith).toBeNull();
    clock.advance(Math.ceil(LONGEST_TIMER * 0.01));
    expect(link.closedFor).toBe('used long enough');
    expect(clock.longest).toBeLessThanOrEqual(LONGEST_TIMER);
  });
});

describe('a connection that is idle for maxIdle', () => {
  it.each(['server', 'client'] as const)('is closed by a %s', async (role) => {
    const rig =
      role === 'server' ? await startedServer({ maxIdle: 5_000 }) : await startedClient({ maxIdle: 5_000 });
    if (rig instanceof ServerRig) rig.admit();
    else rig.arriveAll(idSource(), true);
    rig.clock.advance(4_999);
    expect(rig.pool.active()).toBe(1);
    rig.clock.advance(1);
    expect(rig.pool.active()).toBe(0);
    expect(rig.links[0]?.closedFor).toBe('used long enough');
  });

  it('has the time anew with each name', async () => {
    const rig = await startedServer({ maxIdle: 5_000 });
    const link = rig.admit();
    await rig.pool.incomingGet(0);
    rig.clock.advance(60_000);
    link.comeBack();
    rig.clock.advance(4_999);
    expect(link.closedWith).toBeNull();
    rig.clock.advance(1);
    expect(link.closedWith).toBe(1000);
  });

  it('is replaced by a client, which wants some idle', async () => {
    const rig = await startedClient({ minCapacity: 2, maxCapacity: 2, maxIdle: 5_000 });
    const freshId = idSource();
    rig.arriveAll(freshId, true);
    rig.clock.advance(6_000);
    rig.arriveAll(freshId, true);
    expect(rig.pool.active()).toBe(2);
    expect(rig.dials.length).toBe(4);
  });
});

describe('those that are due', () => {
  it('are closed within a second each, and never too early', async () => {
    const rig = await startedServer({ maxCapacity: 100, maxIdle: 5_000 });
    const due = new Map<StubLink, number>();
    const late: number[] = [];
    for (let passed = 0; passed < 30_000; passed += 10) {
      if (passed < 20_000 && (passed * 7) % 110 === 0) due.set(rig.admit(), passed + 5_000);
      rig.clock.advance(10);
      for (const [link, time] of due) {
        if (link.closedFor !== 'used long enough') continue;
        late.push(rig.clock.now() - time);
        due.delete(link);
      }
    }
    expect(late).toHaveLength(182);
    expect(Math.min(...late)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...late)).toBeLessThanOrEqual(1_000);
  });

  it('are not the control connection that is set aside', async () => {
    const rig = await startedServer({ reserveControl: true, maxIdle: 5_000 });
    const [control, other] = [rig.admit(), rig.admit()];
    rig.clock.advance(60 * MINUTE);
    expect([control.closedWith, other.closedWith]).toEqual([null, 1000]);
  });

  it('are not those of protocol 1, which could lose what the peer is just sending', async () => {
    const rig = await startedServer({ maxIdle: 5_000 });
    const [old, young] = [rig.admit(false), rig.admit()];
    rig.clock.advance(60 * MINUTE);
    expect([old.closedWith, young.closedWith]).toEqual([null, 1000]);
  });

  it('are not those whose peer has begun to write', async () => {
    const rig = await startedServer({ maxIdle: 5_000, claimTimeout: 20_000 });
    const link = rig.admit();
    rig.clock.advance(4_000);
    link.begin();
    rig.clock.advance(15_000);
    expect(link.closedWith).toBeNull();
    expect(await rig.pool.outgoingGet(link.id, 0)).toBe(link);
  });

  it('are not those that a listener takes meanwhile', async () => {
    const rig = await startedServer({ maxIdle: 5_000 });
    const links = [rig.admit(), rig.admit(), rig.admit()];
    const taken: Promise<StubLink>[] = [];
    rig.pool.once('change', () => taken.push(rig.pool.incomingGet(0)));
    rig.clock.advance(5_000);
    expect(await Promise.all(taken)).toEqual([links[1]]);
    expect(links.map(({ closedWith }) => closedWith)).toEqual([1000, null, 1000]);
    expect(rig.pool.stats()).toMatchObject({ active: 0, used: 1 });
  });
});

describe('a link that is gone', () => {
  it('leaves nothing behind in memory, however it ended', async () => {
    const rig = await startedServer({ maxUses: 2 });
    const refs: WeakRef<StubLink>[] = [];
    const oneLife = async (uses: number, clean: boolean): Promise<void> => {
      const link = rig.admit();
      for (let used = 0; used < uses; used++) await use(rig, link);
      link.vanish(clean);
      refs.push(new WeakRef(link));
      rig.links.length = 0;
    };
    for (let life = 0; life < 60; life++) await oneLife(life % 3, life % 2 === 0);
    await memoryInUse();
    // The last one may still lie on the stack.
    expect(refs.filter((ref) => ref.deref()).length).toBeLessThan(3);
    expect(rig.pool.stats()).toMatchObject({ opened: 60, active: 0, used: 0 });
  });
});

describe('the clock', () => {
  it('has nothing to wait for while there is nothing to retire', async () => {
    const rig = await startedServer({ maxIdle: 5_000 });
    rig.admit(false);
    expect(rig.clock.pending).toBe(0);
    const link = rig.admit();
    expect(rig.clock.pending).toBe(1);
    await rig.pool.outgoingGet(link.id, 0);
    rig.clock.advance(5_000);
    expect(rig.clock.pending).toBe(0);
    link.comeBack();
    rig.admit();
    // However many there are.
    expect(rig.clock.pending).toBe(1);
    rig.clock.advance(7_000);
    expect(rig.clock.pending).toBe(0);
  });

  it('has nothing to wait for after a drain', async () => {
    const rig = await startedServer();
    rig.admit();
    rig.admit();
    rig.pool.drain();
    expect(rig.clock.pending).toBe(0);
  });

  it('has nothing to wait for when a listener closes the pool while some are retired', async () => {
    const rig = await startedServer({ maxIdle: 5_000 });
    rig.admit();
    rig.clock.advance(3_000);
    rig.admit();
    rig.pool.once('change', () => void rig.pool.close());
    rig.clock.advance(2_000);
    expect(rig.links.map(({ closedFor }) => closedFor)).toEqual(['used long enough', 'going away']);
    for (const link of rig.links) link.vanish(true);
    await rig.pool.close();
    expect(rig.clock.pending).toBe(0);
  });
});
