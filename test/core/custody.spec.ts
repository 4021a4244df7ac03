import { describe, expect, it } from '@jest/globals';
import { FakeClock } from '../../lib/testing/fake-clock.js';
import { ClientRig, idSource } from '../support/stub-link.js';
import { Uncaught } from '../support/uncaught.js';

async function filled(
  idle: number,
  options: ConstructorParameters<typeof ClientRig>[1] = {},
): Promise<ClientRig> {
  const rig = new ClientRig(new FakeClock(), { minCapacity: idle, maxCapacity: idle, ...options });
  await rig.pool.start();
  rig.arriveAll(idSource());
  return rig;
}

describe('an idle connection', () => {
  it.each([true, false])(
    'leaves at once when it ends (in good order: %p), is counted and dialled anew',
    async (clean) => {
      const rig = await filled(3);
      const told: unknown[] = [];
      rig.pool.on('disconnect', ({ id, used, clean: wasClean }) => told.push({ id, used, wasClean }));
      rig.clock.advance(1_000);
      rig.links[0]?.end(clean);
      expect(rig.pool.active()).toBe(2);
      expect((await rig.pool.incomingGet(0)).id).toBe('00000002');
      expect(rig.pool.stats().evicted).toBe(1);
      expect(told).toEqual([{ id: '00000001', used: false, wasClean: clean }]);
      rig.clock.advance(1_000);
      expect(rig.flights.size).toBe(2);
    },
  );

  it('whose peer has begun to write is for who knows its ID, and for nobody else', async () => {
    const rig = await filled(2);
    rig.links[0]?.begin();
    expect(rig.pool.stats()).toMatchObject({ active: 1, owed: 1 });
    expect((await rig.pool.incomingGet(0)).id).toBe('00000002');
    await expect(rig.pool.incomingGet(0)).rejects.toMatchObject({ code: 'ERR_NPWS_TIMEOUT' });
    expect(await rig.pool.outgoingGet('00000001', 0)).toBe(rig.links[0]);
  });

  it('that brings bytes with its ID goes to who named it, not to who takes any', async () => {
    const rig = new ClientRig(new FakeClock(), { minCapacity: 2, maxCapacity: 2 });
    await rig.pool.start();
    const any = rig.pool.incomingGet(500).catch((error: unknown) => (error as { code: string }).code);
    const named = rig.pool.outgoingGet('00000001');
    const link = [...rig.flights][0]?.arrive('00000001', true);
    [...rig.flights][0]?.arrive('00000002', true);
    expect(await named).toBe(link);
    rig.clock.advance(500);
    expect(await any).toBe('ERR_NPWS_TIMEOUT');
  });

  it('that was closed in good order behind its bytes can still be taken by its ID', async () => {
    const rig = await filled(1);
    const [link] = rig.links;
    link?.begin();
    link?.vanish(true);
    expect(rig.pool.stats()).toMatchObject({ active: 0, owed: 1, used: 0 });
    expect(await rig.pool.outgoingGet('00000001', 0)).toBe(link);
    expect(rig.pool.stats()).toMatchObject({ owed: 0, used: 0 });
  });

  it('that was cut behind its bytes is dead', async () => {
    const rig = await filled(1);
    rig.links[0]?.begin();
    rig.links[0]?.vanish(false);
    expect(rig.pool.stats().owed).toBe(0);
    await expect(rig.pool.outgoingGet('00000001', 0)).rejects.toMatchObject({ code: 'ERR_NPWS_TIMEOUT' });
  });

  it('that nobody claims in time is closed, and not as if its bytes had been read', async () => {
    const rig = await filled(1, { claimTimeout: 5_000 });
    rig.links[0]?.begin();
    rig.clock.advance(4_999);
    expect(rig.links[0]?.closedWith).toBeNull();
    rig.clock.advance(1);
    expect(rig.links[0]?.closedWith).toBe(1013);
    expect(rig.pool.stats().owed).toBe(0);
  });

  it('is closed when more have begun than the pool may hold', async () => {
    const rig = await filled(2);
    const freshId = idSource();
    for (const link of rig.links) link.begin();
    rig.clock.advance(1_000);
    [...rig.flights][0]?.arrive(`f${freshId().slice(1)}`).begin();
    expect(rig.links[0]?.closedWith).toBe(1013);
    expect(rig.pool.stats().owed).toBe(2);
  });
});

describe('flush', () => {
  it('closes the idle ones, refills at once, and leaves all else as it was', async () => {
    const rig = await filled(3, { minInterval: 1_000, maxInterval: 9_000 });
    const used = await rig.pool.outgoingGet('00000001', 0);
    const waiting = rig.pool.outgoingGet('000000aa');
    const { capacity, interval } = rig.pool.stats();
    expect(rig.pool.flush()).toBe(2);
    expect(rig.links.map(({ closedWith }) => closedWith)).toEqual([null, 1000, 1000]);
    expect(rig.pool.stats()).toMatchObject({
      active: 0,
      used: 1,
      waiting: 1,
      connecting: 3,
      capacity,
      interval,
    });
    expect(used.wasCut).toBe(false);
    [...rig.flights][0]?.arrive('000000aa');
    expect((await waiting).id).toBe('000000aa');
    expect(rig.pool.flush()).toBe(0);
  });

  it('does nothing before the start and after the end', async () => {
    const rig = new ClientRig(new FakeClock());
    expect(rig.pool.flush()).toBe(0);
    await rig.pool.close();
    expect(rig.pool.flush()).toBe(0);
    expect(rig.dials).toEqual([]);
  });
});

describe('close', () => {
  it('is always the same promise and leaves nothing on the clock', async () => {
    const rig = await filled(3);
    const closing = rig.pool.close();
    expect(rig.pool.close()).toBe(closing);
    expect(rig.links.map(({ closedWith }) => closedWith)).toEqual([1001, 1001, 1001]);
    expect(rig.pool.stats()).toMatchObject({ state: 'draining', active: 0 });
    for (const link of rig.links) link.vanish(true);
    await closing;
    expect(rig.pool.close()).toBe(closing);
    expect(rig.pool.stats().state).toBe('closed');
    expect(rig.clock.pending).toBe(0);
  });

  it('lets streams in use finish', async () => {
    const rig = await filled(1, { drainTimeout: 5_000 });
    const link = await rig.pool.incomingGet(0);
    let isClosed = false;
    void rig.pool.close().then(() => (isClosed = true));
    rig.clock.advance(4_999);
    await new Promise(setImmediate);
    expect([isClosed, link.wasCut]).toEqual([false, false]);
    link.vanish(true);
    await new Promise(setImmediate);
    expect([isClosed, link.wasCut, rig.clock.pending]).toEqual([true, false, 0]);
  });

  it.each([5_000, 0])('cuts what is still in use after a drainTimeout of %p', async (drainTimeout) => {
    const rig = await filled(1, { drainTimeout });
    const link = await rig.pool.incomingGet(0);
    const closing = rig.pool.close();
    rig.clock.advance(drainTimeout);
    await new Promise(setImmediate);
    expect(link.wasCut).toBe(true);
    link.vanish();
    await closing;
    expect(rig.pool.stats().used).toBe(0);
  });

  it('counts the drain time from the drain: pools that drain together do not wait one after the other', async () => {
    const rig = await filled(1, { drainTimeout: 5_000 });
    const link = await rig.pool.incomingGet(0);
    rig.pool.drain();
    rig.clock.advance(4_000);
    const closing = rig.pool.close();
    rig.clock.advance(1_000);
    await new Promise(setImmediate);
    expect(link.wasCut).toBe(true);
    link.vanish();
    await closing;
  });

  it('closes bytes that nobody came for as such', async () => {
    const rig = await filled(1);
    rig.links[0]?.begin();
    void rig.pool.close();
    expect(rig.links[0]?.closedWith).toBe(1013);
  });
});

describe('errors', () => {
  it('are counted, told and reset', async () => {
    const rig = await filled(1);
    const told: unknown[] = [];
    rig.pool.on('errorAdded', (error) => told.push(error));
    const mine = new Error('mine');
    rig.pool.addError(mine);
    rig.pool.addError();
    expect(rig.pool.errorCount()).toBe(2);
    expect(told).toEqual([mine, null]);
    rig.pool.resetError();
    expect(rig.pool.errorCount()).toBe(0);
  });

  it('of a listener do not upset the pool, nor other listeners', async () => {
    const rig = await filled(1);
    let heard = 0;
    using uncaught = new Uncaught();
    rig.pool.on('disconnect', () => {
      throw new Error('from a listener');
    });
    rig.pool.once('disconnect', () => heard++);
    rig.links[0]?.vanish();
    await new Promise(setImmediate);
    expect([rig.pool.active(), heard, rig.pool.listenerCount('disconnect')]).toEqual([0, 1, 1]);
    expect(uncaught.errors).toEqual([new Error('from a listener')]);
  });
});
