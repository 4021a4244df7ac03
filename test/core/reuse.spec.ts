import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type CloseReason, noClosings, UNUSED } from '../../lib/core/closing.js';
import type { Pool } from '../../lib/core/pool.js';
import {
  type ClientRig,
  idSource,
  type ServerRig,
  startedClient,
  startedServer,
  type StubLink,
} from '../support/stub-link.js';

type ClientOptions = Parameters<typeof startedClient>[0];

/** A client pool of protocol 2 that has all its connections. */
async function filledClient(idle: number, options: ClientOptions = {}): Promise<ClientRig> {
  const rig = await startedClient({ minCapacity: idle, maxCapacity: idle, ...options });
  rig.arriveAll(idSource(), true);
  return rig;
}

/** A use of the oldest idle connection of a client that is over: it waits for its name. */
async function nameless(rig: ClientRig): Promise<StubLink> {
  const link = await rig.pool.incomingGet(0);
  link.comeBack();
  return link;
}

function arriveNext(rig: ClientRig, id: string, renewable = true): StubLink {
  const [flight] = [...rig.flights];
  if (!flight) throw new Error('there is no dial in flight');
  return flight.arrive(id, false, renewable);
}

/** What a pool tells of its links and its failures from here on. */
function events(pool: Pool<StubLink>): string[] {
  const told: string[] = [];
  pool.on('connect', ({ id }) => told.push(`connect ${id}`));
  pool.on('reuse', ({ id }) => told.push(`reuse ${id}`));
  pool.on('disconnect', ({ id, used, why }) => told.push(`disconnect ${id}: ${why}${used ? ', used' : ''}`));
  pool.on('dialError', () => told.push('dialError'));
  pool.on('outage', () => told.push('outage'));
  return told;
}

async function isTaken(pool: Pool<StubLink>, id: string): Promise<boolean> {
  return pool.outgoingGet(id, 0).then(
    () => true,
    () => false,
  );
}

const isUsed = (link: StubLink): boolean => link.isUsed;
const isGivenBack = (link: StubLink): boolean => link.isGivenBack;

function closings(counts: Partial<Record<CloseReason, number>>): Record<CloseReason, number> {
  return { ...noClosings(), ...counts };
}

/** Closes a pool whose peer answers every close, and looks for anything left. */
async function expectNothingLeft({ pool, links, clock }: ClientRig | ServerRig): Promise<void> {
  void pool.close();
  for (const link of links) link.vanish(true);
  await new Promise(setImmediate);
  expect(pool.stats()).toMatchObject({ state: 'closed', active: 0, owed: 0, used: 0, connecting: 0 });
  expect(clock.pending).toBe(0);
}

describe('a server that gets a connection back', () => {
  it('names it anew in the same step, and by that name alone it can be had', async () => {
    const rig = await startedServer();
    rig.admit();
    const link = rig.admit();
    const { id } = link;
    await rig.pool.outgoingGet(id, 0);
    link.comeBack();
    expect([link.renewals, link.id === id, link.closedWith]).toEqual([1, false, null]);
    expect(rig.pool.stats()).toMatchObject({ active: 2, used: 0, connecting: 0 });
    expect(await isTaken(rig.pool, id)).toBe(false);
    expect(await isTaken(rig.pool, link.id)).toBe(true);
  });

  it('draws an ID that is unlike all live ones: idle, in use, or promised', async () => {
    const draws = [0x11, 0, 0x22, 0, 0x33, 0, 0x44, 0x11, 0x22, 0x44, 0x55];
    const rig = await startedServer({ maxCapacity: 9 }, () => draws.shift() ?? 0);
    // Each link of protocol 2 draws its lifetime as well.
    rig.connect();
    const [idle, used, link] = [rig.admit(), rig.admit(), rig.admit()];
    await rig.pool.outgoingGet(used.id, 0);
    await rig.pool.outgoingGet(link.id, 0);
    expect(rig.gate.reserve()?.id).toBe('00000044');
    link.comeBack();
    expect([idle.id, used.id, link.id]).toEqual(['00000011', '00000022', '00000055']);
  });

  it('puts it behind those that are idle already', async () => {
    const rig = await startedServer();
    const [link, other] = [rig.admit(), rig.admit()];
    await rig.pool.incomingGet(0);
    link.comeBack();
    expect([await rig.pool.incomingGet(0), await rig.pool.incomingGet(0)]).toEqual([other, link]);
  });

  it('hands it at once to whoever waits', async () => {
    const rig = await startedServer();
    const link = rig.admit();
    await rig.pool.incomingGet(0);
    const waiting = [rig.pool.incomingGet(), rig.pool.incomingGet()];
    link.comeBack();
    expect(await waiting[0]).toBe(link);
    expect(rig.pool.stats()).toMatchObject({ active: 0, used: 1, waiting: 1, reused: 1 });
    link.comeBack();
    expect(await waiting[1]).toBe(link);
  });

  it("counts and tells it as a reuse, not as a new connection's arrival", async () => {
    const rig = await startedServer();
    const told = events(rig.pool);
    const link = rig.admit();
    for (let use = 0; use < 3; use++) {
      await rig.pool.incomingGet(0);
      link.comeBack();
    }
    expect(rig.pool.stats()).toMatchObject({ opened: 1, reused: 3, closed: noClosings(), evicted: 0 });
    const names = ['00000000', '00000002', '00000003', '00000004'];
    expect(told).toEqual(names.map((id, use) => `${use === 0 ? 'connect' : 'reuse'} ${id}`));
  });

  it.each<[string, (rig: ServerRig) => unknown]>([
    ['idle', (rig) => rig.admit()],
    [
      'owed',
      (rig) => {
        rig.admit().begin();
      },
    ],
    ['promised', (rig) => rig.gate.reserve()],
  ])('closes it when the pool is full of %s ones', async (_, fill) => {
    const rig = await startedServer({ maxCapacity: 1 });
    const told = events(rig.pool);
    const link = rig.admit();
    await rig.pool.incomingGet(0);
    fill(rig);
    told.length = 0;
    link.comeBack();
    expect([link.closedWith, link.closedFor, link.renewals]).toEqual([1000, 'no room', 0]);
    expect(rig.pool.stats()).toMatchObject({ used: 0, reused: 0 });
    link.vanish(true);
    expect(told).toEqual(['disconnect 00000000: surplus']);
    expect(rig.pool.stats()).toMatchObject({ closed: closings({ surplus: 1 }), evicted: 0 });
  });

  it('closes it as going away when the pool drains, and then the pool is empty', async () => {
    const rig = await startedServer();
    const link = rig.admit();
    await rig.pool.incomingGet(0);
    let isClosed = false;
    void rig.pool.close().then(() => (isClosed = true));
    link.comeBack();
    expect([link.closedWith, link.renewals]).toEqual([1001, 0]);
    await new Promise(setImmediate);
    expect(isClosed).toBe(false);
    link.vanish(true);
    await new Promise(setImmediate);
    expect(isClosed).toBe(true);
    expect(rig.pool.stats().closed).toEqual(closings({ drained: 1 }));
    expect(rig.clock.pending).toBe(0);
  });

  it('closes it, and counts an error, when its randomness is broken', async () => {
    const rig = await startedServer({}, () => 7);
    const [link, other] = [rig.admit(), rig.admit()];
    await rig.pool.incomingGet(0);
    link.comeBack();
    expect([link.closedWith, other.closedWith]).toEqual([1000, null]);
    expect(rig.pool.errorCount()).toBe(1);
  });

  it('closes it once when a listener closes the pool at that error', async () => {
    const rig = await startedServer({}, () => 7);
    const [link, other] = [rig.admit(), rig.admit()];
    await rig.pool.incomingGet(0);
    rig.pool.once('errorAdded', () => void rig.pool.close());
    link.comeBack();
    for (const closed of [link, other]) closed.vanish(true);
    await rig.pool.close();
    expect(rig.pool.stats().closed).toEqual(closings({ drained: 2 }));
  });

  it('frees its name at once and for good: its end takes no name from who bears it by then', async () => {
    // Each link of protocol 2 draws its lifetime as well, and one that comes back a name, room or not.
    const draws = [0x7, 0, 0x9, 0, 0x1, 0x7, 0, 0x7, 0xb];
    const rig = await startedServer({ maxCapacity: 1 }, () => draws.shift() ?? 0);
    rig.connect();
    await rig.pool.incomingGet(0);
    const link = rig.admit();
    await rig.pool.outgoingGet('00000007', 0);
    const other = rig.admit();
    link.comeBack();
    expect([link.closedWith, other.id]).toEqual([1000, '00000009']);
    await rig.pool.outgoingGet('00000009', 0);
    const heir = rig.admit();
    expect(heir.id).toBe('00000007');
    link.vanish(true);
    expect(await rig.pool.outgoingGet('00000007', 0)).toBe(heir);
    expect(rig.admit().id).toBe('0000000b');
  });
});

describe('a client that gives a connection back', () => {
  it('takes it for a dial in flight until it is named, and dials the less', async () => {
    const rig = await filledClient(3);
    const link = await nameless(rig);
    expect(link.isGivenBack).toBe(true);
    expect(rig.pool.stats()).toMatchObject({ active: 2, used: 0, connecting: 1, reused: 0 });
    rig.clock.advance(5_000);
    expect(rig.flights.size).toBe(0);
    link.rename('000000aa');
    expect(rig.pool.stats()).toMatchObject({ active: 3, used: 0, connecting: 0, opened: 3, reused: 1 });
    expect(await isTaken(rig.pool, '00000001')).toBe(false);
    expect(await rig.pool.outgoingGet('000000aa', 0)).toBe(link);
  });

  it('tells when it is named: that is a reuse, and nothing was opened', async () => {
    const rig = await filledClient(1);
    const told = events(rig.pool);
    const link = await nameless(rig);
    expect(told).toEqual([]);
    link.rename('000000aa');
    expect(told).toEqual(['reuse 000000aa']);
  });

  it('has it taken at once by who waits for any, or for its new name', async () => {
    const rig = await filledClient(1);
    const any = rig.pool.incomingGet();
    const link = await any;
    const waiting = rig.pool.incomingGet();
    link.comeBack();
    link.rename('000000aa');
    expect(await waiting).toBe(link);
    const named = rig.pool.outgoingGet('000000bb');
    link.comeBack();
    link.rename('000000bb');
    expect(await named).toBe(link);
    expect(rig.pool.stats()).toMatchObject({ active: 0, used: 1, waiting: 0, reused: 2, opened: 1 });
  });

  it('closes the idle one whose ID it gets', async () => {
    const rig = await filledClient(2);
    const link = await nameless(rig);
    link.rename('00000002');
    expect(rig.links[1]?.closedWith).toBe(1000);
    expect(await rig.pool.outgoingGet('00000002', 0)).toBe(link);
    rig.links[1]?.vanish(true);
    expect(rig.pool.stats().closed).toEqual(closings({ replaced: 1 }));
  });

  it('gives it back as long as there is room beside what is idle and on its way, and closes it else', async () => {
    const rig = await filledClient(2, { minInterval: 100, maxInterval: 100 });
    const [first, second] = [await rig.pool.incomingGet(0), await rig.pool.incomingGet(0)];
    rig.clock.advance(100);
    expect(rig.flights.size).toBe(2);
    arriveNext(rig, '000000aa');
    await rig.pool.incomingGet(0);
    // One dial in flight and one that comes back: that makes 2.
    first.comeBack();
    expect([first.isGivenBack, first.closedWith]).toEqual([true, null]);
    second.comeBack();
    expect([second.isGivenBack, second.closedWith, second.closedFor]).toEqual([false, 1000, 'no room']);
    arriveNext(rig, '000000bb');
    first.rename('000000cc');
    expect(rig.pool.stats()).toMatchObject({ active: 2, connecting: 0 });
    second.vanish(true);
    expect(rig.pool.stats().closed).toEqual(closings({ surplus: 1 }));
  });

  it('takes back dials that were planned but not begun', async () => {
    const options = { maxConcurrentDials: 1, minInterval: 100, maxInterval: 100 };
    const rig = await startedClient({ minCapacity: 3, maxCapacity: 3, ...options });
    const freshId = idSource();
    for (let dialled = 0; dialled < 3; dialled++) arriveNext(rig, freshId());
    const links = [1, 2, 3].map(() => rig.pool.incomingGet(0));
    rig.clock.advance(100);
    // One dial is in flight and two are planned.
    for (const link of await Promise.all(links)) link.comeBack();
    expect(rig.pool.stats()).toMatchObject({ active: 0, connecting: 3 });
    rig.links[0]?.rename('000000aa');
    rig.links[1]?.rename('000000bb');
    arriveNext(rig, freshId());
    expect(rig.flights.size).toBe(0);
    expect(rig.pool.stats()).toMatchObject({ active: 3, connecting: 0 });
  });

  it('never has more idle and on their way than its maximum, whatever comes back when', async () => {
    const step = fc.tuple(fc.constantFrom('take', 'take', 'return', 'name', 'arrive', 'pause'), fc.nat(9));
    const settings = fc.record({
      maxCapacity: fc.integer({ min: 1, max: 5 }),
      maxConcurrentDials: fc.integer({ min: 1, max: 5 }),
    });
    const seen = { reused: 0, surplus: 0 };
    const some = (at: number, links: StubLink[]): StubLink | undefined => links[at % links.length];
    await fc.assert(
      fc.asyncProperty(
        settings,
        fc.array(step, { minLength: 100, maxLength: 200 }),
        async (options, steps) => {
          const rig = await startedClient({ minCapacity: 1, minInterval: 50, maxInterval: 100, ...options });
          const { pool, links, clock } = rig;
          const freshId = idSource();
          for (const [deed, at] of steps) {
            if (deed === 'take') pool.incomingGet(0).catch(() => undefined);
            if (deed === 'return') some(at, links.filter(isUsed))?.comeBack();
            if (deed === 'name') some(at, links.filter(isGivenBack))?.rename(freshId());
            if (deed === 'arrive') rig.arriveAll(freshId, true);
            if (deed === 'pause') clock.advance(50 + at * 10);
            const { active, connecting } = pool.stats();
            expect(active + connecting).toBeLessThanOrEqual(options.maxCapacity);
          }
          seen.reused += pool.stats().reused;
          seen.surplus += links.filter(({ closedFor }) => closedFor === 'no room').length;
        },
      ),
      { numRuns: 100 },
    );
    // Both outcomes had their turn.
    expect(Math.min(seen.reused, seen.surplus)).toBeGreaterThan(100);
  });

  it('lets its capacity grow with demand and dials almost never, an hour long', async () => {
    const rig = await startedClient({ minCapacity: 2, maxCapacity: 20, maxLifetime: 7_200_000 });
    const freshId = idSource();
    let uses = 0;
    let { capacity } = rig.pool.stats();
    for (let second = 0; second < 3_600; second++) {
      rig.arriveAll(freshId, true);
      for (const link of rig.links) if (link.isGivenBack) link.rename(freshId());
      const taken: Promise<StubLink>[] = [];
      for (let idle = rig.pool.active(); idle > 0; idle--) taken.push(rig.pool.incomingGet(0));
      uses += taken.length;
      rig.clock.advance(900);
      for (const link of await Promise.all(taken)) link.comeBack();
      rig.clock.advance(100);
      expect(rig.pool.capacity()).toBeGreaterThanOrEqual(capacity);
      expect(rig.dials.length).toBeLessThan(30);
      ({ capacity } = rig.pool.stats());
    }
    expect(capacity).toBe(20);
    expect(uses).toBeGreaterThan(50_000);
    expect(rig.pool.stats()).toMatchObject({ opened: rig.dials.length, closed: noClosings() });
  });

  it('stays ready and healthy while its only connection waits for a name', async () => {
    const rig = await filledClient(1, { dialTimeout: 60_000, maxInterval: 60_000 });
    const link = await nameless(rig);
    rig.clock.advance(30_000);
    expect([rig.pool.ready(), rig.pool.health()]).toEqual([
      true,
      { up: true, degraded: false, reason: null },
    ]);
    await rig.pool.whenReady(0);
    link.end(true);
    expect(rig.pool.ready()).toBe(false);
  });

  describe('and gets no name', () => {
    it('closes it after dialTimeout: the server may only be slow to read', async () => {
      const rig = await filledClient(1, { dialTimeout: 3_000 });
      const told = events(rig.pool);
      const link = await nameless(rig);
      rig.clock.advance(2_999);
      expect([link.closedWith, rig.pool.errorCount()]).toEqual([null, 0]);
      rig.clock.advance(1);
      expect([link.closedWith, link.closedFor]).toEqual([1000, 'not named in time']);
      expect(rig.pool.stats()).toMatchObject({ connecting: 1, errors: 0, lastDialError: null });
      link.rename('000000aa');
      expect(rig.pool.active()).toBe(0);
      link.vanish(true);
      expect(told).toEqual(['disconnect 00000001: unnamed']);
      expect(rig.pool.stats()).toMatchObject({ closed: closings({ unnamed: 1 }), evicted: 0 });
      rig.clock.advance(100);
      expect(rig.flights.size).toBe(1);
      await expectNothingLeft(rig);
    });

    it('does not hold the time against one that was named', async () => {
      const rig = await filledClient(1, { dialTimeout: 3_000 });
      const link = await nameless(rig);
      rig.clock.advance(2_999);
      link.rename('000000aa');
      await rig.pool.incomingGet(0);
      rig.clock.advance(60_000);
      expect([link.closedWith, rig.pool.errorCount()]).toEqual([null, 0]);
    });

    it.each([
      ['a clean end', true, 'dropped'],
      ['a cut', false, 'lost'],
    ] as const)('but %s: no dial failed, nothing is left, another is dialled', async (_, clean, why) => {
      const rig = await filledClient(2, { dialTimeout: 3_000 });
      const told = events(rig.pool);
      const link = await nameless(rig);
      link.end(clean);
      expect(rig.pool.stats()).toMatchObject({ active: 1, connecting: 0, used: 0, errors: 0 });
      link.vanish(clean);
      expect(told).toEqual([`disconnect 00000001: ${why}`]);
      // None that anybody could have taken.
      expect(rig.pool.stats()).toMatchObject({ evicted: 0, closed: closings({ [why]: 1 }) });
      rig.clock.advance(1_000);
      expect(rig.flights.size).toBe(1);
      rig.clock.advance(60_000);
      expect(rig.pool.stats()).toMatchObject({ errors: 0, lastDialError: null });
    });

    it('closes it as going away when the pool drains, and leaves nothing', async () => {
      const rig = await filledClient(2);
      const link = await nameless(rig);
      const closing = rig.pool.close();
      expect([link.closedWith, rig.pool.stats().connecting]).toEqual([1001, 0]);
      expect(rig.clock.pending).toBe(1);
      let isClosed = false;
      void closing.then(() => (isClosed = true));
      rig.links[1]?.vanish(true);
      await new Promise(setImmediate);
      expect(isClosed).toBe(false);
      await expectNothingLeft(rig);
      expect(rig.pool.stats().closed).toEqual(closings({ drained: 2 }));
    });

    it('closes one that comes back while the pool drains', async () => {
      const rig = await filledClient(1);
      const link = await rig.pool.incomingGet(0);
      rig.pool.drain();
      link.comeBack();
      expect([link.isGivenBack, link.closedWith]).toEqual([false, 1001]);
      await expectNothingLeft(rig);
    });

    it('may be closed by who hears of it', async () => {
      const rig = await filledClient(1, { dialTimeout: 3_000 });
      await nameless(rig);
      rig.pool.once('change', () => void rig.pool.close());
      rig.clock.advance(3_000);
      expect(rig.pool.stats().state).toBe('draining');
      await expectNothingLeft(rig);
    });
  });
});

describe('the control connection that comes back', () => {
  it('is 00000000 again and set aside when it is reserved', async () => {
    const rig = await startedServer({ maxCapacity: 1, reserveControl: true });
    const [control, other] = [rig.admit(), rig.admit()];
    await rig.pool.outgoingGet('00000000', 0);
    control.comeBack();
    expect([control.id, control.renewals, other.closedWith]).toEqual(['00000000', 1, null]);
    expect(await rig.pool.incomingGet(0)).toBe(other);
    await expect(rig.pool.incomingGet(0)).rejects.toMatchObject({ code: 'ERR_NPWS_TIMEOUT' });
    expect(await rig.pool.outgoingGet('00000000', 0)).toBe(control);
  });

  it('goes at once to who waits for it when it is reserved', async () => {
    const rig = await startedServer({ reserveControl: true });
    const control = rig.admit();
    await rig.pool.outgoingGet('00000000', 0);
    const waiting = rig.pool.outgoingGet('00000000');
    control.comeBack();
    expect(await waiting).toBe(control);
  });

  it('is any connection from then on when it is not reserved', async () => {
    const rig = await startedServer();
    const control = rig.admit();
    await rig.pool.outgoingGet('00000000', 0);
    control.comeBack();
    expect(control.id).not.toBe('00000000');
    expect(rig.admit().id).not.toBe('00000000');
    expect(await rig.pool.incomingGet(0)).toBe(control);
  });

  it('makes way for another one when it has served enough', async () => {
    const rig = await startedServer({ reserveControl: true, maxUses: 1 });
    const [control, oldest, youngest] = [rig.admit(), rig.admit(), rig.admit()];
    await rig.pool.outgoingGet('00000000', 0);
    control.comeBack();
    expect([control, oldest].map(({ closedFor }) => closedFor)).toEqual(['used long enough', 'replaced']);
    expect(rig.admit().id).toBe('00000000');
    // It makes way once.
    control.vanish(true);
    oldest.vanish(true);
    expect(youngest.closedWith).toBeNull();
    expect(rig.pool.stats().closed).toEqual(closings({ retired: 1, replaced: 1 }));
  });

  it('was lost: then the next one that comes back is it, however full the server is', async () => {
    const rig = await startedServer({ maxCapacity: 1, reserveControl: true });
    const control = rig.admit();
    const link = rig.admit();
    await rig.pool.incomingGet(0);
    rig.admit().begin();
    await rig.pool.outgoingGet('00000000', 0);
    control.vanish();
    link.comeBack();
    expect([link.id, link.closedWith]).toEqual(['00000000', null]);
    expect(rig.pool.stats()).toMatchObject({ active: 1, owed: 1 });
  });

  it('finds room beside a full pool at a client that reserves it, and dials are not made up for it', async () => {
    const rig = await startedClient({ minCapacity: 2, maxCapacity: 2, reserveControl: true });
    const freshId = idSource();
    const control = arriveNext(rig, '00000000');
    rig.arriveAll(freshId, true);
    await rig.pool.outgoingGet('00000000', 0);
    control.comeBack();
    expect(rig.pool.stats()).toMatchObject({ active: 2, connecting: 1 });
    void rig.pool.outgoingGet('00000000').catch(() => undefined);
    rig.clock.advance(2_000);
    expect(rig.flights.size).toBe(0);
    control.rename('00000000');
    expect(control.isUsed).toBe(true);
    rig.clock.advance(2_000);
    expect(rig.flights.size).toBe(0);
    // Nobody else may have its place while it is there.
    const link = await rig.pool.incomingGet(0);
    rig.clock.advance(2_000);
    arriveNext(rig, freshId());
    link.comeBack();
    expect(link.closedFor).toBe('no room');
  });

  it('may get another name: then a client that reserves it dials for who waits for it', async () => {
    const rig = await startedClient({ minCapacity: 2, maxCapacity: 2, reserveControl: true });
    const control = arriveNext(rig, '00000000');
    rig.arriveAll(idSource(), true);
    await rig.pool.outgoingGet('00000000', 0);
    control.comeBack();
    control.rename('000000aa');
    const waiting = rig.pool.outgoingGet('00000000');
    await rig.pool.incomingGet(0);
    rig.clock.advance(1_000);
    const next = arriveNext(rig, '00000000');
    expect(await waiting).toBe(next);
  });

  it('gets its place back at a client that reserves it, from a link that came back when it was lost', async () => {
    const rig = await startedClient({
      minCapacity: 2,
      maxCapacity: 2,
      minInterval: 100,
      maxInterval: 100,
      reserveControl: true,
    });
    const freshId = idSource();
    const control = arriveNext(rig, '00000000');
    rig.arriveAll(freshId, true);
    const link = await rig.pool.incomingGet(0);
    rig.clock.advance(2_000);
    rig.arriveAll(freshId, true);
    control.vanish();
    link.comeBack();
    link.rename('000000aa');
    expect(rig.pool.stats()).toMatchObject({ active: 3, connecting: 0 });
    rig.clock.advance(200);
    expect(rig.pool.stats()).toMatchObject({ active: 2, connecting: 1 });
    arriveNext(rig, '00000000');
    expect(rig.pool.stats()).toMatchObject({ active: 3, connecting: 0 });
  });
});

describe('a client whose links are in use', () => {
  it('does not dial in place of those that come back soon, and closes none of them for want of room', async () => {
    const rig = await filledClient(10, { minInterval: 10, maxInterval: 10 });
    const freshId = idSource();
    const dials = rig.dials.length;
    for (let use = 0; use < 90; use++) {
      const link = await rig.pool.incomingGet(0);
      rig.clock.advance(10);
      link.comeBack();
      link.rename(`a${freshId().slice(1)}`);
    }
    expect(rig.dials.length).toBe(dials);
    expect(rig.pool.stats()).toMatchObject({ reused: 90, active: 10, closed: closings({}) });
  });

  it('replaces those that are held, after a second, and at once when few are idle', async () => {
    const rig = await filledClient(10, { minInterval: 10, maxInterval: 10 });
    for (let use = 0; use < 3; use++) await rig.pool.incomingGet(0);
    rig.clock.advance(900);
    expect(rig.flights.size).toBe(0);
    rig.clock.advance(200);
    expect(rig.flights.size).toBe(3);
    const few = await filledClient(10, { minInterval: 10, maxInterval: 10 });
    for (let use = 0; use < 9; use++) await few.pool.incomingGet(0);
    few.clock.advance(20);
    expect(few.flights.size).toBe(9);
  });
});

describe('links that were closed', () => {
  type Deed = (rig: ClientRig, link: StubLink) => unknown;
  const take = async ({ pool }: ClientRig): Promise<StubLink> => pool.outgoingGet('00000001', 0);
  const deeds: [CloseReason, string, Deed][] = [
    ['finished', 'in good order by the one who used them', async (rig, link) => { await take(rig); link.end(true); }],
    ['broken', 'while they were used', async (rig, link) => { await take(rig); link.end(false); }],
    ['violation', 'because the peer broke a rule', (_, link) => { link.end(false, { violation: true }); }],
    ['dropped', 'by the peer while idle', (_, link) => { link.end(true); }],
    ['dropped', 'by the peer that saw nothing of their use', async (rig, link) => { await take(rig); link.end(true, { reason: UNUSED }); }],
    ['lost', 'while idle', (_, link) => { link.end(false); }],
    ['flushed', 'by flush()', (rig) => rig.pool.flush()],
    ['retired', 'after their last use', async (rig, link) => { await take(rig); link.comeBack(); link.rename('000000aa'); await rig.pool.outgoingGet('000000aa', 0); link.comeBack(); }],
    ['surplus', 'when they came back to a full pool', async (rig, link) => { await take(rig); rig.clock.advance(1_000); arriveNext(rig, '000000aa'); link.comeBack(); }],
    ['unnamed', 'when they got no name', async (rig, link) => { await take(rig); link.comeBack(); rig.clock.advance(3_000); }],
    ['unclaimed', 'when nobody came for their bytes', (rig, link) => { link.begin(); rig.clock.advance(2_000); }],
    ['replaced', 'when their ID was issued again', async (rig) => { await rig.pool.outgoingGet('00000002', 0); rig.clock.advance(1_000); arriveNext(rig, '00000001'); }],
    ['drained', 'by a shutdown', (rig) => { rig.pool.drain(); }],
  ]; // prettier-ignore

  it.each(deeds)('are counted as %s: %s', async (why, _, deed) => {
    const rig = await filledClient(2, { dialTimeout: 3_000, claimTimeout: 2_000, maxUses: 2 });
    const told: CloseReason[] = [];
    rig.pool.on('disconnect', (event) => told.push(event.why));
    const [link] = rig.links;
    if (!link) throw new Error('there is no link');
    await deed(rig, link);
    for (const closed of rig.links) if (closed.closedWith !== null) closed.vanish(true);
    const { opened, closed } = rig.pool.stats();
    expect(told.every((reason) => reason === why)).toBe(true);
    expect(closed).toEqual(closings({ [why]: told.length }));
    expect(told.length).toBeGreaterThan(0);
    expect(opened - told.length).toBe(rig.links.filter(({ isEnded }) => !isEnded).length);
    await expectNothingLeft(rig);
    expect(rig.pool.stats().opened).toBe(Object.values(rig.pool.stats().closed).reduce((sum, n) => sum + n));
  });
});
