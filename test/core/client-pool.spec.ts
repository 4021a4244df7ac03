import { describe, expect, it } from '@jest/globals';
import { NpwsDialError } from '../../lib/core/errors.js';
import { HIGHEST, idSource, LOWEST, startedClient } from '../support/stub-link.js';

describe('a client pool', () => {
  it('dials its minimum as soon as it starts, once', async () => {
    const rig = await startedClient({ minCapacity: 5, maxCapacity: 9 });
    await rig.pool.start();
    expect(rig.flights.size).toBe(5);
    expect(rig.pool.stats()).toMatchObject({ state: 'running', connecting: 5, active: 0, capacity: 5 });
  });

  it('wakes when less than 20 % of its capacity is idle, but no sooner than minInterval after its last round', async () => {
    const rig = await startedClient({
      minCapacity: 10,
      maxCapacity: 10,
      minInterval: 200,
      maxInterval: 5_000,
    });
    rig.arriveAll(idSource());
    rig.clock.advance(50);
    for (let taken = 0; taken < 8; taken++) await rig.pool.incomingGet(0);
    rig.clock.advance(200);
    // 2 of 10 are idle: that is 20 %, not less, so the round at 200 ms was an ordinary one.
    expect(rig.dials.length).toBe(18);
    rig.arriveAll(idSource());
    const before = rig.dials.length;
    for (let taken = 0; taken < 9; taken++) await rig.pool.incomingGet(0);
    rig.clock.advance(149);
    expect(rig.dials.length).toBe(before);
    rig.clock.advance(1);
    expect(rig.dials.length).toBe(before + 9);
  });

  it('does not truncate: of a capacity of 4, none idle is hunger', async () => {
    const rig = await startedClient({
      minCapacity: 4,
      maxCapacity: 4,
      minInterval: 100,
      maxInterval: 60_000,
    });
    rig.arriveAll(idSource());
    // The interval grows while the pool is full.
    rig.clock.advance(60_000);
    const interval = rig.pool.interval();
    expect(interval).toBeGreaterThan(1_000);
    for (let taken = 0; taken < 4; taken++) await rig.pool.incomingGet(0);
    rig.clock.advance(100);
    expect(rig.flights.size).toBe(4);
  });

  it('wakes when somebody waits for the next connection', async () => {
    const rig = await startedClient({
      minCapacity: 1,
      maxCapacity: 9,
      minInterval: 100,
      maxInterval: 60_000,
    });
    rig.arriveAll(idSource());
    rig.clock.advance(10_000);
    const [one, ...more] = [1, 2, 3].map(() => rig.pool.incomingGet());
    await one;
    rig.clock.advance(100);
    expect(rig.flights.size).toBe(2);
    rig.arriveAll(idSource());
    expect(await Promise.all(more)).toHaveLength(2);
  });

  it('dials no more for those who wait than its maximum', async () => {
    const rig = await startedClient({ minCapacity: 1, maxCapacity: 3, minInterval: 100 });
    for (let waiting = 0; waiting < 10; waiting++) rig.pool.incomingGet().catch(() => undefined);
    rig.clock.advance(100);
    expect(rig.flights.size).toBe(3);
    await rig.pool.close();
  });

  it('lets a dial that hangs delay no other', async () => {
    const rig = await startedClient({ minCapacity: 2, maxCapacity: 2, minInterval: 100, maxInterval: 100 });
    const freshId = idSource();
    const [hanging, other] = [...rig.flights];
    other?.arrive(freshId());
    await rig.pool.incomingGet(0);
    rig.clock.advance(200);
    expect(rig.flights.has(hanging as never)).toBe(true);
    expect(rig.flights.size).toBe(2);
    for (const flight of rig.flights) if (flight !== hanging) flight.arrive(freshId());
    expect(rig.pool.active()).toBe(1);
  });

  it('has no more dials in flight than maxConcurrentDials, and goes on as they settle', async () => {
    const rig = await startedClient({ minCapacity: 10, maxCapacity: 10, maxConcurrentDials: 3 });
    const freshId = idSource();
    expect(rig.flights.size).toBe(3);
    for (let arrived = 0; arrived < 10; arrived++) {
      [...rig.flights][0]?.arrive(freshId());
      expect(rig.flights.size).toBe(Math.min(3, 9 - arrived));
    }
    expect(rig.pool.active()).toBe(10);
  });

  it.each([
    ['lowest', LOWEST, [50, 100, 200, 400, 800, 1_600, 2_500, 2_500]],
    ['highest', HIGHEST, [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]],
  ])('backs off with equal jitter, one probe at a time (%s draws)', async (_, random, pauses) => {
    const rig = await startedClient(
      { minCapacity: 5, maxCapacity: 5, minInterval: 10, maxInterval: 10 },
      random,
    );
    for (const flight of [...rig.flights]) flight.fail();
    for (const pause of pauses) {
      rig.clock.advance(pause - 1);
      expect(rig.flights.size).toBe(0);
      rig.clock.advance(1);
      expect(rig.flights.size).toBe(1);
      [...rig.flights][0]?.fail();
    }
    expect(rig.pool.errorCount()).toBe(5 + pauses.length);
  });

  it.each([
    ['lowest', LOWEST],
    ['highest', HIGHEST],
  ])(
    'dials at most 30 times in an outage of 60 s and recovers within 5 s of its end (%s draws)',
    async (_, random) => {
      const rig = await startedClient({ minCapacity: 5, maxCapacity: 20, minInterval: 100 }, random);
      const recovered: { after: number; tries: number }[] = [];
      rig.pool.on('recover', (event) => recovered.push(event));
      for (const flight of [...rig.flights]) flight.fail();
      const inFlightAtStart = rig.dials.length;
      for (let ms = 0; ms < 60_000; ms += 10) {
        rig.clock.advance(10);
        for (const flight of [...rig.flights]) flight.fail();
      }
      expect(rig.dials.length - inFlightAtStart).toBeGreaterThan(5);
      expect(rig.dials.length - inFlightAtStart).toBeLessThanOrEqual(30);
      const freshId = idSource();
      let waited = 0;
      for (; rig.pool.active() < rig.pool.capacity() && waited < 10_000; waited += 10) {
        rig.clock.advance(10);
        rig.arriveAll(freshId);
      }
      expect(waited).toBeLessThanOrEqual(5_000);
      expect(recovered).toHaveLength(1);
      expect(recovered[0]?.tries).toBe(rig.dials.length - inFlightAtStart - rig.pool.active() + 1);
    },
  );

  it('begins its back-off anew after a success', async () => {
    const rig = await startedClient({ minCapacity: 1, maxCapacity: 1, minInterval: 10 }, HIGHEST);
    const failOne = (): void => [...rig.flights][0]?.fail();
    failOne();
    rig.clock.advance(100);
    failOne();
    rig.clock.advance(200);
    [...rig.flights][0]?.arrive('00000001');
    await rig.pool.incomingGet(0);
    rig.clock.advance(10);
    failOne();
    rig.clock.advance(100);
    expect(rig.flights.size).toBe(1);
  });

  it('backs off from a server that is full, but counts no error', async () => {
    const rig = await startedClient({ minCapacity: 3, maxCapacity: 3, minInterval: 10 }, HIGHEST);
    for (const flight of [...rig.flights]) flight.refuse();
    expect(rig.pool.errorCount()).toBe(0);
    rig.clock.advance(99);
    expect(rig.flights.size).toBe(0);
    rig.clock.advance(1);
    expect(rig.flights.size).toBe(1);
    expect(rig.pool.stats().lastDialError).toMatchObject({ code: 'ERR_NPWS_HANDSHAKE' });
  });

  it('tells the first failure of an outage and its end once', async () => {
    const rig = await startedClient({ minCapacity: 3, maxCapacity: 3 }, HIGHEST);
    const told: string[] = [];
    rig.pool.on('outage', ({ message }) => told.push(message));
    rig.pool.on('recover', ({ after, tries }) => told.push(`${after} ms, ${tries} tries`));
    for (const flight of [...rig.flights]) flight.fail(new NpwsDialError('no way'));
    rig.clock.advance(100);
    [...rig.flights][0]?.fail();
    rig.clock.advance(200);
    [...rig.flights][0]?.arrive('00000001');
    expect(told).toEqual(['no way', '300 ms, 2 tries']);
    // The rest is dialled at once.
    expect(rig.flights.size).toBe(2);
  });

  it('gives up dials in flight when it closes, and closes one that comes too late', async () => {
    const rig = await startedClient({ minCapacity: 3, maxCapacity: 3 });
    const flights = [...rig.flights];
    const closing = rig.pool.close();
    expect(rig.flights.size).toBe(0);
    await closing;
    expect(rig.clock.pending).toBe(0);
    expect(flights).toHaveLength(3);
  });

  it('hands a new bearer of an ID out instead of the idle one that had it', async () => {
    const rig = await startedClient({ minCapacity: 2, maxCapacity: 2 });
    const [first, second] = [...rig.flights];
    const old = first?.arrive('0000000a');
    const young = second?.arrive('0000000a');
    expect(old?.closedWith).toBe(1000);
    expect(await rig.pool.outgoingGet('0000000a', 0)).toBe(young);
    expect(rig.pool.active()).toBe(0);
  });

  it('is ready while a connection is alive, idle or in use', async () => {
    const rig = await startedClient();
    expect(rig.pool.ready()).toBe(false);
    const waiting = rig.pool.whenReady(1_000);
    const link = [...rig.flights][0]?.arrive('00000001');
    await waiting;
    await rig.pool.incomingGet(0);
    expect(rig.pool.ready()).toBe(true);
    link?.vanish();
    expect(rig.pool.ready()).toBe(false);
  });

  it('rejects whenReady with the last dial error as cause', async () => {
    const rig = await startedClient();
    const waiting = rig.pool.whenReady(1_000);
    const refused = new NpwsDialError('refused');
    [...rig.flights][0]?.fail(refused);
    rig.clock.advance(1_000);
    await expect(waiting).rejects.toMatchObject({ code: 'ERR_NPWS_TIMEOUT', cause: refused });
  });

  describe('that reserves the control connection', () => {
    it('dials one more than its capacity and keeps 00000000 for who names it', async () => {
      const rig = await startedClient({ minCapacity: 2, maxCapacity: 2, reserveControl: true });
      const freshId = idSource();
      expect(rig.flights.size).toBe(3);
      const [first, ...others] = [...rig.flights];
      const control = first?.arrive('00000000');
      for (const flight of others) flight.arrive(freshId());
      expect(rig.pool.active()).toBe(3);
      expect((await rig.pool.incomingGet(0)).id).toBe('00000001');
      expect((await rig.pool.incomingGet(0)).id).toBe('00000002');
      await expect(rig.pool.incomingGet(0)).rejects.toMatchObject({ code: 'ERR_NPWS_TIMEOUT' });
      expect(await rig.pool.outgoingGet('00000000', 0)).toBe(control);
    });

    it('dials for it at once when it is lost and somebody waits, full or not', async () => {
      const options = {
        minCapacity: 2,
        maxCapacity: 2,
        minInterval: 100,
        maxInterval: 60_000,
        reserveControl: true,
      };
      const rig = await startedClient(options);
      const freshId = idSource();
      const [first, ...others] = [...rig.flights];
      const control = first?.arrive('00000000');
      for (const flight of others) flight.arrive(freshId());
      rig.clock.advance(50_000);
      control?.vanish();
      const waiting = rig.pool.outgoingGet('00000000', Infinity);
      rig.clock.advance(100);
      expect(rig.flights.size).toBe(1);
      const next = [...rig.flights][0]?.arrive('00000000');
      expect(await waiting).toBe(next);
    });

    it('does not dial on and on at a server that never issues it again', async () => {
      const rig = await startedClient({
        minCapacity: 2,
        maxCapacity: 2,
        minInterval: 10,
        maxInterval: 10,
        reserveControl: true,
      });
      const freshId = idSource();
      void rig.pool.outgoingGet('00000000', Infinity);
      for (let round = 0; round < 100; round++) {
        rig.arriveAll(freshId);
        rig.clock.advance(10);
      }
      expect(rig.dials.length).toBe(3);
    });

    it('tries again every maxBackoff when others have its place, and closes one of them for it', async () => {
      const rig = await startedClient({
        minCapacity: 2,
        maxCapacity: 2,
        minInterval: 100,
        maxInterval: 100,
        reserveControl: true,
        maxBackoff: 2_000,
      });
      const freshId = idSource();
      // The server does not know yet that the last control connection is dead.
      for (let round = 0; round < 70; round++) {
        rig.arriveAll(freshId);
        rig.clock.advance(100);
      }
      const closed = rig.links.filter((link) => link.closedWith !== null);
      expect(rig.dials.slice(3)).toEqual([2_000, 4_000, 6_000]);
      expect(closed.map((link) => [link.closedWith, link.closedFor])).toEqual(
        Array.from({ length: 3 }, () => [1000, 'no room']),
      );
      rig.clock.advance(1_000);
      [...rig.flights][0]?.arrive('00000000');
      expect(rig.pool.stats()).toMatchObject({ active: 3, connecting: 0 });
      rig.clock.advance(10_000);
      expect(rig.dials.length).toBe(7);
    });

    it('does not fill itself up to its maximum for one that never comes', async () => {
      const rig = await startedClient({
        minCapacity: 2,
        maxCapacity: 50,
        minInterval: 10,
        maxInterval: 10,
        reserveControl: true,
      });
      const freshId = idSource();
      void rig.pool.outgoingGet('00000000', Infinity);
      for (let round = 0; round < 6_000; round++) {
        rig.arriveAll(freshId);
        rig.clock.advance(10);
      }
      // One more every maxBackoff, and one less.
      expect(rig.pool.active()).toBeLessThanOrEqual(4);
      expect(rig.dials.length).toBeLessThanOrEqual(4 + 60_000 / 5_000);
    });

    it('dials for it although more are idle than its capacity', async () => {
      const rig = await startedClient({
        minCapacity: 1,
        maxCapacity: 4,
        minInterval: 100,
        reserveControl: true,
      });
      const waiting = [1, 2, 3].map(() => rig.pool.incomingGet());
      rig.clock.advance(100);
      const control = [...rig.flights][0]?.arrive('00000000');
      rig.arriveAll(idSource(), true);
      const links = await Promise.all(waiting);
      rig.clock.advance(2_000);
      rig.arriveAll(idSource(), true);
      for (const [index, link] of links.entries()) {
        link.comeBack();
        link.rename(`0000010${index}`);
      }
      rig.clock.advance(60_000);
      expect(rig.pool.stats()).toMatchObject({ capacity: 1, active: 5, connecting: 0 });
      control?.vanish();
      rig.clock.advance(1_000);
      expect(rig.flights.size).toBe(1);
    });
  });
});
