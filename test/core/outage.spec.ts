import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { UNUSED } from '../../lib/core/closing.js';
import { NpwsDialError } from '../../lib/core/errors.js';
import { type ClientRig, HIGHEST, idSource, startedClient, type StubLink } from '../support/stub-link.js';

describe('an outage', () => {
  it('knows its own probe: one of an outage that is over neither hurries nor doubles it', async () => {
    const rig = await startedClient({ minCapacity: 2, maxCapacity: 2, minInterval: 10_000 }, HIGHEST);
    const [first, slow] = [...rig.flights];
    first?.fail();
    rig.clock.advance(100);
    const oldProbe = [...rig.flights].find((flight) => flight !== slow);
    // A dial from before the outage succeeds and ends it, though its probe is still on the way.
    slow?.arrive('00000001');
    await rig.pool.incomingGet(0);
    rig.pool.flush();
    [...rig.flights].find((flight) => flight !== oldProbe)?.fail();
    expect(rig.pool.stats().lastDialError?.age).toBe(0);
    rig.clock.advance(100);
    const newProbe = [...rig.flights].find((flight) => flight !== oldProbe);
    expect(newProbe).toBeDefined();
    oldProbe?.fail();
    rig.clock.advance(5_000);
    expect([...rig.flights]).toEqual([newProbe]);
  });

  it('leaves nothing on the clock when the pool closes, however late its dials failed', async () => {
    const rig = await startedClient({ minCapacity: 2, maxCapacity: 2, minInterval: 10_000 }, HIGHEST);
    const [first, slow] = [...rig.flights];
    first?.fail();
    rig.clock.advance(100);
    const oldProbe = [...rig.flights].find((flight) => flight !== slow);
    const link = slow?.arrive('00000001');
    await rig.pool.incomingGet(0);
    rig.pool.flush();
    [...rig.flights].find((flight) => flight !== oldProbe)?.fail();
    oldProbe?.fail();
    const closing = rig.pool.close();
    link?.vanish(true);
    await closing;
    expect(rig.clock.pending).toBe(0);
  });

  it('costs at most 30 dials in 60 s, whatever is drawn, however long dials take, and whatever is asked', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof(fc.constantFrom(0, 0xffff_ffff), fc.nat({ max: 0xffff_ffff })), { minLength: 1 }),
        fc.integer({ min: 0, max: 3_000 }),
        fc.integer({ min: 1, max: 100 }),
        async (draws, latency, capacity) => {
          let next = 0;
          const options = { minCapacity: capacity, maxCapacity: 100, minInterval: 10, maxInterval: 20 };
          const rig = await startedClient(options, () => draws[next++ % draws.length] ?? 0);
          const inFlight = rig.dials.length;
          for (const flight of [...rig.flights]) flight.fail();
          for (let ms = 0; ms < 60_000; ms += 100) {
            if (ms % 1_000 === 0) rig.pool.flush();
            if (ms % 700 === 0) rig.pool.incomingGet(300).catch(() => undefined);
            rig.clock.advance(100);
            expect(rig.flights.size).toBeLessThanOrEqual(1);
            for (const flight of [...rig.flights]) {
              if (rig.clock.now() - flight.startedAt >= latency) flight.fail();
            }
          }
          expect(rig.dials.length - inFlight).toBeLessThanOrEqual(30);
          for (let ms = 0; ms < 5_000; ms += 100) {
            rig.clock.advance(100);
            if (rig.flights.size > 0) rig.arriveAll(idSource());
          }
          expect(rig.pool.ready()).toBe(true);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('is what connections are that are dropped as soon as they are named: none is dialled as for a rush', async () => {
    const rig = await startedClient({ minCapacity: 5, maxCapacity: 20, minInterval: 100 }, HIGHEST);
    const nextId = idSource();
    const MINUTE = 60_000;
    for (const end = rig.clock.now() + MINUTE; rig.clock.now() < end;) {
      rig.arriveAll(nextId);
      rig.clock.advance(50);
      for (const link of rig.links) link.vanish();
      rig.clock.advance(50);
    }
    // The first five, and one probe after each pause.
    expect(rig.dials.length).toBeLessThanOrEqual(5 + 30);
    expect(rig.pool.health()).toMatchObject({
      up: false,
      reason: expect.stringMatching(/named a connection and dropped it at once/),
    });
    expect(rig.pool.stats().dialFailures.handshake).toBeGreaterThan(0);
    // Those that last make it well again.
    for (const end = rig.clock.now() + 10_000; rig.clock.now() < end;) {
      rig.arriveAll(nextId);
      rig.clock.advance(50);
    }
    expect(rig.pool.health()).toMatchObject({ up: true, degraded: false });
    expect(rig.pool.active()).toBeGreaterThanOrEqual(5);
  });

  it.each<[string, { keeps: number; dropsAfter: number; taking?: 'one' | 'all' }]>([
    ['at once', { keeps: 0, dropsAfter: 1 }],
    ['beyond its limit', { keeps: 4, dropsAfter: 1 }],
    ['beyond its limit, after a while', { keeps: 4, dropsAfter: 700 }],
    ['but one that is in use', { keeps: 1, dropsAfter: 1, taking: 'one' }],
    ['while the application takes whatever comes', { keeps: 0, dropsAfter: 10, taking: 'all' }],
  ])('slows down dials to a server that drops connections %s', async (_, { keeps, dropsAfter, taking }) => {
    const rig = await startedClient({ minCapacity: 8, maxCapacity: 8 }, HIGHEST);
    const { clock, pool } = rig;
    const nextId = idSource();
    const ends = new Map<StubLink, number>();
    const take = (): void => {
      void pool.incomingGet(Infinity).then(() => {
        if (taking === 'all') take();
      });
    };
    const pass = async (ms: number): Promise<void> => {
      for (const end = clock.now() + ms; clock.now() < end;) {
        for (const flight of [...rig.flights]) {
          const link = flight.arrive(nextId());
          if (rig.links.filter(({ isLive }) => isLive).length - ends.size > keeps)
            ends.set(link, clock.now() + dropsAfter);
        }
        for (const [link, at] of ends) {
          if (at > clock.now()) continue;
          link.vanish();
          ends.delete(link);
        }
        clock.advance(5);
        await Promise.resolve();
      }
    };
    if (taking) take();
    await pass(10_000);
    const before = rig.dials.length;
    await pass(60_000);
    expect(rig.dials.length - before).toBeLessThanOrEqual(30);
    expect(pool.health().reason).toMatch(/named a connection and dropped it at once/);
  });

  /** A pool of one connection: two were dropped at once, and a probe has brought another. */
  async function onTrial(): Promise<{ rig: ClientRig; link: StubLink; isOver: () => boolean }> {
    const rig = await startedClient({ minCapacity: 1, maxCapacity: 1, minInterval: 10 }, HIGHEST);
    let recoveries = 0;
    rig.pool.on('recover', () => recoveries++);
    const arrive = (id: string): StubLink => {
      rig.arriveAll(() => id, true);
      return rig.links.at(-1) as StubLink;
    };
    arrive('00000001').vanish();
    rig.clock.advance(10);
    arrive('00000002').vanish();
    rig.clock.advance(100);
    expect(rig.flights.size).toBe(1);
    return { rig, link: arrive('00000003'), isOver: () => recoveries === 1 };
  }

  it.each<[string, boolean, (link: StubLink, pool: ClientRig['pool']) => unknown]>([
    ['lasts', true, (): void => undefined],
    ['is in use for as long', true, (_, pool) => pool.incomingGet(0)],
    ['is used and comes back', true, (link, pool) => pool.incomingGet(0).then(() => { link.comeBack(); })],
    ['is used and ends', true, (link, pool) => pool.incomingGet(0).then(() => { link.vanish(true); })],
    ['is used, says something and is cut', true, (link, pool) => pool.incomingGet(0).then(() => { link.heard = true; link.vanish(); })],
    ['says something and is closed', true, (link) => { link.begin(); link.vanish(true); }],
    ['is used and cut by its application here', true, (link, pool) => pool.incomingGet(0).then(() => { link.cut(); link.vanish(); })],
    ['is used and cut without a word', false, (link, pool) => pool.incomingGet(0).then(() => { link.vanish(); })],
    ['is flushed', false, (link, pool) => { pool.flush(); link.vanish(true); }],
    ['is dropped', false, (link) => { link.vanish(true); }],
  ])('of drops sees what a probe brings: it %s, so it is over: %s', async (_, isProof, meet) => {
    const { rig, link, isOver } = await onTrial();
    rig.clock.advance(500);
    expect(isOver()).toBe(false);
    await meet(link, rig.pool);
    rig.clock.advance(500);
    expect(isOver()).toBe(isProof);
    // What is missing is dialled either way.
    rig.clock.advance(1_000);
    const { active, used, connecting } = rig.pool.stats();
    expect(active + used + connecting).toBeGreaterThan(0);
  }); // prettier-ignore

  it('does not come of a drop now and then among those that are of use', async () => {
    const rig = await startedClient(
      { minCapacity: 4, maxCapacity: 4, minInterval: 10, maxInterval: 10 },
      HIGHEST,
    );
    const nextId = idSource();
    for (let turn = 0; turn < 100; turn++) {
      rig.arriveAll(nextId);
      const idle = rig.links.filter(({ isLive }) => isLive);
      idle[0]?.vanish();
      for (const link of [await rig.pool.incomingGet(0), await rig.pool.incomingGet(0)]) {
        link.heard = true;
        link.vanish();
      }
      rig.clock.advance(10);
    }
    expect(rig.pool.errorCount()).toBe(0);
    expect(rig.dials.length).toBeGreaterThan(300);
  });

  it('does not come of a second drop when connections were of use for long in between', async () => {
    const rig = await startedClient({ minCapacity: 1, maxCapacity: 1, minInterval: 10 }, HIGHEST);
    const nextId = idSource();
    rig.arriveAll(nextId);
    rig.links[0]?.vanish();
    rig.clock.advance(10);
    rig.arriveAll(nextId);
    const used = await rig.pool.incomingGet(0);
    rig.clock.advance(5_000);
    used.heard = true;
    used.vanish(true);
    rig.arriveAll(nextId);
    rig.links.at(-1)?.vanish();
    expect(rig.pool.errorCount()).toBe(0);
  });

  it('of drops that seems to be over is followed by dials at the usual pace', async () => {
    const rig = await startedClient({ minCapacity: 5, maxCapacity: 5, minInterval: 500 }, HIGHEST);
    const nextId = idSource();
    const [first, second, third] = [...rig.flights];
    first?.arrive(nextId()).vanish();
    second?.arrive(nextId()).vanish();
    third?.arrive(nextId());
    const used = await rig.pool.incomingGet(0);
    used.heard = true;
    used.vanish(true);
    for (const flight of [...rig.flights]) flight.arrive(nextId());
    expect([rig.pool.active(), rig.flights.size]).toEqual([2, 0]);
    rig.clock.advance(499);
    expect(rig.flights.size).toBe(0);
    rig.clock.advance(1);
    expect(rig.flights.size).toBe(3);
  });

  it('of drops comes of two in a row, whatever dials fail and succeed between them', async () => {
    const rig = await startedClient({ minCapacity: 8, maxCapacity: 8, minInterval: 10_000 }, HIGHEST);
    const nextId = idSource();
    const [first, second, third] = [...rig.flights];
    first?.arrive(nextId()).vanish();
    second?.refuse();
    third?.arrive(nextId()).vanish();
    const before = rig.dials.length;
    for (const flight of [...rig.flights]) flight.arrive(nextId());
    expect(rig.dials.length).toBe(before);
    expect(rig.pool.health().reason).toMatch(/dropped it at once/);
  });

  it('of drops goes on at the usual pace where nothing has listened in between', async () => {
    const rig = await startedClient({ minCapacity: 5, maxCapacity: 5, minInterval: 400 }, HIGHEST);
    const nextId = idSource();
    for (const flight of [...rig.flights]) flight.arrive(nextId()).vanish();
    rig.clock.advance(100);
    expect(rig.flights.size).toBe(1);
    const cause = Object.assign(new Error('refused'), { code: 'ECONNREFUSED' });
    for (const flight of [...rig.flights]) flight.fail(new NpwsDialError('refused', { cause }));
    rig.clock.advance(200);
    rig.arriveAll(nextId);
    expect([rig.pool.active(), rig.flights.size]).toEqual([1, 0]);
    rig.clock.advance(400);
    expect(rig.flights.size).toBe(4);
  });

  it('at a full server is probed however often connections are taken meanwhile', async () => {
    const rig = await startedClient({ minCapacity: 20, maxCapacity: 20, minInterval: 10_000 }, HIGHEST);
    const [full, ...rest] = [...rig.flights];
    const nextId = idSource();
    for (const flight of rest) flight.arrive(nextId());
    full?.refuse();
    for (let take = 0; take < 5; take++) {
      await rig.pool.incomingGet(0);
      rig.clock.advance(30);
    }
    expect(rig.flights.size).toBe(1);
  });

  it('of drops does not end between bursts, as nothing is missing for a moment', async () => {
    const rig = await startedClient({ minCapacity: 10, maxCapacity: 10, minInterval: 100 }, HIGHEST);
    const nextId = idSource();
    rig.arriveAll(nextId, true);
    rig.clock.advance(5_000);
    let drops = 0;
    /** The server keeps 10. */
    const settle = (): void => {
      for (const flight of [...rig.flights]) {
        const link = flight.arrive(nextId(), false, true);
        if (rig.links.filter(({ isLive }) => isLive).length <= 10) continue;
        link.vanish();
        drops++;
      }
    };
    for (let burst = 0; burst < 400; burst++) {
      const used = await Promise.all(
        Array.from({ length: rig.pool.active() }, () => rig.pool.incomingGet(0)),
      );
      for (let ms = 0; ms < 50; ms += 10) {
        rig.clock.advance(10);
        settle();
      }
      for (const link of used) {
        link.comeBack();
        link.rename(nextId());
      }
      rig.clock.advance(100);
      settle();
    }
    expect(drops).toBeGreaterThan(10);
    expect(drops).toBeLessThanOrEqual(10 + 30);
  });

  it('of drops delays no rush when nothing has been missing for long', async () => {
    const rig = await startedClient({ minCapacity: 1, maxCapacity: 9, minInterval: 10 }, HIGHEST);
    const nextId = idSource();
    const waits = [1, 2, 3].map(() => rig.pool.incomingGet(50));
    rig.clock.advance(10);
    expect(rig.flights.size).toBe(3);
    rig.clock.advance(50);
    await Promise.allSettled(waits);
    const [first, second, third] = [...rig.flights];
    first?.arrive(nextId()).vanish();
    second?.arrive(nextId()).vanish();
    third?.arrive(nextId());
    rig.clock.advance(5_000);
    expect([rig.pool.active(), rig.dials.length]).toEqual([1, 3]);
    const gets = Array.from({ length: 5 }, () => rig.pool.incomingGet());
    rig.arriveAll(nextId);
    rig.arriveAll(nextId);
    await Promise.all(gets);
    expect(rig.clock.now()).toBe(5_060);
  });

  it('does not come of connections that a pool of this package has closed', async () => {
    const rig = await startedClient({ minCapacity: 5, maxCapacity: 20 });
    rig.arriveAll(idSource());
    for (const link of rig.links) link.end(true, { reason: UNUSED });
    rig.clock.advance(1_000);
    expect(rig.pool.errorCount()).toBe(0);
    expect(rig.flights.size).toBeGreaterThanOrEqual(5);
  });

  it('is no problem any more when all that was missing has come back by itself', async () => {
    const rig = await startedClient({ minCapacity: 2, maxCapacity: 2 });
    rig.arriveAll(idSource(), true);
    const used = [await rig.pool.incomingGet(0), await rig.pool.incomingGet(0)];
    rig.clock.advance(1_000);
    for (const flight of [...rig.flights]) flight.fail();
    expect(rig.pool.health()).toMatchObject({ up: true, degraded: true });
    for (const [index, link] of used.entries()) {
      link.comeBack();
      link.rename(`0000010${index}`);
    }
    rig.clock.advance(10_000);
    expect(rig.flights.size).toBe(0);
    expect(rig.pool.health()).toEqual({ up: true, degraded: false, reason: null });
  });

  it('that rests, as nothing else is missing, keeps nobody from dialling a lost control connection', async () => {
    const options = {
      reserveControl: true,
      minCapacity: 2,
      maxCapacity: 2,
      minInterval: 10,
      maxInterval: 10,
    };
    const rig = await startedClient({ ...options, maxBackoff: 1_000 }, HIGHEST);
    const ids = ['00000000', '00000001'];
    rig.arriveAll(() => ids.shift() ?? '', true);
    rig.clock.advance(10);
    rig.arriveAll(() => '00000002', true);
    rig.links[0]?.vanish();
    rig.clock.advance(10);
    rig.arriveAll(() => '00000003', true);
    const used = [
      await rig.pool.incomingGet(0),
      await rig.pool.incomingGet(0),
      await rig.pool.incomingGet(0),
    ];
    rig.clock.advance(10);
    expect(rig.flights.size).toBeGreaterThan(0);
    for (const flight of [...rig.flights]) flight.fail();
    for (const [index, link] of used.entries()) {
      link.comeBack();
      link.rename(`0000010${index}`);
    }
    expect([rig.pool.active(), rig.flights.size]).toEqual([3, 0]);
    rig.clock.advance(1_100);
    expect([rig.pool.active(), rig.flights.size]).toEqual([2, 1]);
  });

  it('does not touch what is idle or in use', async () => {
    const rig = await startedClient({ minCapacity: 3, maxCapacity: 9 }, HIGHEST);
    rig.arriveAll(idSource());
    const used = await rig.pool.incomingGet(0);
    rig.clock.advance(1_000);
    for (const flight of [...rig.flights]) flight.fail();
    rig.clock.advance(60_000);
    expect(rig.pool.stats()).toMatchObject({ active: 2, used: 1 });
    expect(used.wasCut).toBe(false);
    expect((await rig.pool.incomingGet(0)).isLive).toBe(true);
  });
});

describe('a dial that comes too late', () => {
  it('is closed on arrival and told to nobody', async () => {
    const rig = await startedClient({ minCapacity: 1 });
    const [flight] = [...rig.flights];
    const told: unknown[] = [];
    rig.pool.on('connect', (event) => told.push(event));
    await rig.pool.close();
    // The transport could not take it back any more.
    if (flight) rig.flights.add(flight);
    const link = flight?.arrive('00000001');
    expect(link?.closedWith).toBe(1001);
    expect(rig.pool.stats()).toMatchObject({ state: 'closed', active: 0, used: 0 });
    expect(told).toEqual([]);
    link?.vanish(true);
    expect(rig.clock.pending).toBe(0);
  });
});
