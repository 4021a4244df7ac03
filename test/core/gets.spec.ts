import { describe, expect, it } from '@jest/globals';
import { NpwsDialError, NpwsTimeoutError } from '../../lib/core/errors.js';
import { FakeClock } from '../../lib/testing/fake-clock.js';
import { ClientRig, idSource, type StubLink } from '../support/stub-link.js';

/** A pool with `idle` links whose IDs count from 1. */
async function filled(
  idle: number,
  options: ConstructorParameters<typeof ClientRig>[1] = {},
): Promise<ClientRig> {
  const rig = new ClientRig(new FakeClock(), {
    minCapacity: Math.max(idle, 1),
    maxCapacity: 100,
    ...options,
  });
  await rig.pool.start();
  if (idle > 0) rig.arriveAll(idSource());
  return rig;
}

function arrive(rig: ClientRig, id: string): StubLink | undefined {
  return [...rig.flights][0]?.arrive(id);
}

describe('a get', () => {
  it('takes the connection that has been idle longest', async () => {
    const { pool } = await filled(3);
    const taken = [await pool.incomingGet(0), await pool.incomingGet(0), await pool.incomingGet(0)];
    expect(taken.map(({ id }) => id)).toEqual(['00000001', '00000002', '00000003']);
    expect(pool.active()).toBe(0);
    expect(pool.stats().used).toBe(3);
  });

  it('by ID takes that one from anywhere in the line and leaves the others', async () => {
    const { pool } = await filled(3);
    expect((await pool.outgoingGet('00000002', 0)).id).toBe('00000002');
    expect((await pool.incomingGet(0)).id).toBe('00000001');
    expect((await pool.incomingGet(0)).id).toBe('00000003');
  });

  it.each(['', 'A1B2C3D4', 'a1b2c3d', 'a1b2c3d4e', 'xyzxyzxy', '0x000001', 1 as never, null as never])(
    'rejects %p, which is no ID, at once',
    async (id) => {
      const { pool } = await filled(1);
      await expect(pool.outgoingGet(id)).rejects.toMatchObject({ code: 'ERR_NPWS_BAD_ID' });
    },
  );

  it.each([-1, NaN, 2 ** 31, '5' as never, null as never, { timeout: -1 }, { signal: {} as never }])(
    'rejects a wait of %p',
    async (wait) => {
      const { pool } = await filled(1);
      await expect(pool.incomingGet(wait)).rejects.toMatchObject({ code: 'ERR_NPWS_OPTIONS' });
      expect(pool.active()).toBe(1);
    },
  );

  it('is served in the order of asking, one who named the connection first', async () => {
    const rig = await filled(0);
    const served: string[] = [];
    const first = rig.pool.incomingGet().then(({ id }) => served.push(`first ${id}`));
    const second = rig.pool.incomingGet().then(({ id }) => served.push(`second ${id}`));
    const named = rig.pool.outgoingGet('0000000a').then(({ id }) => served.push(`named ${id}`));
    rig.clock.advance(1_000);
    arrive(rig, '0000000a');
    await named;
    rig.clock.advance(1_000);
    arrive(rig, '0000000b');
    await first;
    rig.clock.advance(1_000);
    arrive(rig, '0000000c');
    await second;
    expect(served).toEqual(['named 0000000a', 'first 0000000b', 'second 0000000c']);
  });

  it('before the start waits for it', async () => {
    const rig = new ClientRig(new FakeClock());
    const waiting = rig.pool.incomingGet();
    await rig.pool.start();
    const link = arrive(rig, '00000001');
    expect(await waiting).toBe(link);
  });

  it('with a time-out of 0 takes only what is there', async () => {
    const rig = await filled(0);
    await expect(rig.pool.incomingGet(0)).rejects.toBeInstanceOf(NpwsTimeoutError);
    await expect(rig.pool.outgoingGet('00000001', 0)).rejects.toBeInstanceOf(NpwsTimeoutError);
    expect(rig.pool.stats().waiting).toBe(0);
  });

  it('times out at its moment, whatever happens meanwhile, and tells what the pool looked like', async () => {
    const rig = await filled(0, { acquireTimeout: 5_000 });
    const refused = new NpwsDialError('connect ECONNREFUSED');
    let failure: unknown;
    rig.pool.outgoingGet('0000000a').catch((error: unknown) => (failure = error));
    rig.clock.advance(3_000);
    [...rig.flights][0]?.fail(refused);
    rig.clock.advance(1_999);
    await Promise.resolve();
    expect(failure).toBeUndefined();
    rig.clock.advance(1);
    await new Promise(setImmediate);
    expect(failure).toMatchObject({
      code: 'ERR_NPWS_TIMEOUT',
      cause: refused,
      snapshot: { idle: 0, used: 0, waiting: 1, capacity: 1, lastError: refused, lastErrorAge: 2_000 },
    });
    expect((failure as Error).message).toContain('connect ECONNREFUSED');
  });

  it('waits without limit when asked to', async () => {
    const rig = await filled(0);
    const waiting = rig.pool.outgoingGet('0000000a', Infinity);
    rig.clock.advance(1e7);
    arrive(rig, '0000000a');
    expect((await waiting).id).toBe('0000000a');
  });

  it('listens to its signal before and while it waits, and not afterwards', async () => {
    const rig = await filled(1);
    const reason = new Error('enough');
    await expect(rig.pool.incomingGet({ signal: AbortSignal.abort(reason) })).rejects.toMatchObject({
      code: 'ERR_NPWS_ABORTED',
      cause: reason,
    });
    expect(rig.pool.active()).toBe(1);
    const after = new AbortController();
    const taken = await rig.pool.incomingGet({ signal: after.signal });
    after.abort();
    expect(taken.wasCut).toBe(false);
    const during = new AbortController();
    const waiting = rig.pool.outgoingGet('0000000a', { signal: during.signal });
    during.abort(reason);
    await expect(waiting).rejects.toMatchObject({ code: 'ERR_NPWS_ABORTED', cause: reason });
    rig.clock.advance(1_000);
    arrive(rig, '0000000a');
    expect(rig.pool.active()).toBe(1);
  });

  it('loses nothing when an arrival and a time-out meet', async () => {
    for (const isArrivalFirst of [true, false]) {
      const rig = await filled(0);
      const flight = [...rig.flights][0];
      if (isArrivalFirst) rig.clock.after(100, () => flight?.arrive('0000000a'));
      const waiting = rig.pool.incomingGet(100);
      if (!isArrivalFirst) rig.clock.after(100, () => flight?.arrive('0000000a'));
      const outcome = waiting.then(
        () => 'taken',
        () => 'timed out',
      );
      rig.clock.advance(100);
      expect(await outcome).toBe(isArrivalFirst ? 'taken' : 'timed out');
      expect(rig.pool.active()).toBe(isArrivalFirst ? 0 : 1);
    }
  });

  it('takes its timer and its listener along when it is settled', async () => {
    const rig = await filled(0);
    const pending = rig.clock.pending;
    const { signal } = new AbortController();
    let listeners = 0;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (...args: Parameters<typeof add>): void => {
      listeners++;
      add(...args);
    };
    signal.removeEventListener = (...args: Parameters<typeof remove>): void => {
      listeners--;
      remove(...args);
    };
    const waiting = rig.pool.outgoingGet('0000000a', { timeout: 10_000, signal });
    expect([rig.clock.pending - pending, listeners]).toEqual([1, 1]);
    arrive(rig, '0000000a');
    await waiting;
    expect([rig.clock.pending - pending, listeners]).toEqual([0, 0]);
  });

  it('fails at once when as many wait as may', async () => {
    const rig = await filled(0, { maxWaiters: 2 });
    const waiting = [rig.pool.incomingGet(), rig.pool.outgoingGet('0000000a')].map((one) =>
      one.catch(() => 'closed'),
    );
    const oneMore = expect(rig.pool.incomingGet(1_000)).rejects.toMatchObject({
      code: 'ERR_NPWS_TOO_MANY_WAITERS',
    });
    rig.clock.advance(1_000);
    await oneMore;
    await rig.pool.close();
    expect(await Promise.all(waiting)).toEqual(['closed', 'closed']);
  });

  it('keeps no trace of a thousand IDs that never came', async () => {
    const rig = await filled(0, { maxWaiters: 10 });
    const pending = rig.clock.pending;
    for (let asked = 0; asked < 1_000; asked++) {
      const waiting = rig.pool.outgoingGet(asked.toString(16).padStart(8, 'f'), 10).catch(() => undefined);
      rig.clock.advance(10);
      await waiting;
    }
    expect(rig.pool.stats().waiting).toBe(0);
    expect(rig.clock.pending).toBe(pending);
  });

  it('rejects when the pool drains, and afterwards', async () => {
    const rig = await filled(1);
    const held = await rig.pool.incomingGet(0);
    const waiting = rig.pool.incomingGet();
    const closing = rig.pool.close();
    await expect(waiting).rejects.toMatchObject({ code: 'ERR_NPWS_DRAINING' });
    await expect(rig.pool.incomingGet()).rejects.toMatchObject({ code: 'ERR_NPWS_DRAINING' });
    await expect(rig.pool.whenReady()).rejects.toMatchObject({ code: 'ERR_NPWS_DRAINING' });
    held.vanish(true);
    await closing;
    await expect(rig.pool.incomingGet()).rejects.toMatchObject({ code: 'ERR_NPWS_CLOSED' });
  });
});
