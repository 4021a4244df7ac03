import { describe, expect, it } from '@jest/globals';
import { noClosings } from '../../lib/core/closing.js';
import { Measures } from '../../lib/core/measures.js';
import type { PoolStats } from '../../lib/core/stats.js';
import { FakeClock } from '../../lib/testing/fake-clock.js';
import { ClientRig, idSource, ServerRig } from '../support/stub-link.js';

/** Of what nothing was timed. */
const NONE = { count: 0, sum: 0, p50: null, p99: null };

describe('stats', () => {
  it('tell every number of a client', async () => {
    const rig = new ClientRig(new FakeClock(), {
      minCapacity: 4,
      maxCapacity: 8,
      minInterval: 200,
      maxInterval: 900,
    });
    await rig.pool.start();
    rig.clock.advance(250);
    rig.arriveAll(idSource());
    await rig.pool.incomingGet(0);
    void rig.pool.outgoingGet('000000ff');
    expect(rig.pool.stats()).toEqual({
      role: 'client',
      name: 'test',
      state: 'running',
      active: 3,
      owed: 0,
      used: 1,
      connecting: 0,
      waiting: 1,
      capacity: 4,
      minCapacity: 4,
      maxCapacity: 8,
      interval: 200,
      utilization: 0.75,
      errors: 0,
      errorsEver: 0,
      rejected: 0,
      evicted: 0,
      takes: { immediate: 1, waited: 0, timeout: 0, aborted: 0, refused: 0 },
      opened: 4,
      reused: 0,
      closed: noClosings(),
      dialFailures: new Measures().dialFailures,
      rejections: new Measures().rejections,
      bytes: { received: 0, sent: 0 },
      times: {
        wait: { count: 1, sum: 0, p50: 0.01, p99: 0.01 },
        dial: { count: 4, sum: 1_000, p50: 250, p99: 250 },
        use: NONE,
        ping: NONE,
      },
      lastDialError: null,
    });
  });

  it('tell how long ago the last dial failed', async () => {
    const rig = new ClientRig(new FakeClock());
    await rig.pool.start();
    [...rig.flights][0]?.fail();
    rig.clock.advance(50);
    expect(rig.pool.stats().lastDialError).toEqual({ code: 'ERR_NPWS_DIAL', message: 'refused', age: 50 });
  });

  it('come as a stream: at once, at most ten times a second, and to its end', async () => {
    const rig = new ClientRig(new FakeClock(), { minCapacity: 5, maxCapacity: 5 });
    await rig.pool.start();
    const seen: PoolStats[] = [];
    let isComplete = false;
    rig.pool.stats$.subscribe({ next: (stats) => seen.push(stats), complete: () => (isComplete = true) });
    expect(seen).toHaveLength(1);
    rig.arriveAll(idSource());
    expect(seen).toHaveLength(1);
    rig.clock.advance(100);
    expect(seen.map(({ active }) => active)).toEqual([0, 5]);
    rig.clock.advance(500);
    expect(seen).toHaveLength(2);
    const closing = rig.pool.close();
    for (const link of rig.links) link.vanish(true);
    await closing;
    expect(seen.at(-1)?.state).toBe('closed');
    expect(isComplete).toBe(true);
    expect(rig.clock.pending).toBe(0);
    expect(rig.pool.listenerCount('change')).toBe(0);
  });

  it('come after whatever changes a number: the start, a dial, a get given up, an error, the drain', async () => {
    const rig = new ClientRig(new FakeClock(), { minCapacity: 2, maxCapacity: 2 });
    let last: PoolStats | undefined;
    const subscription = rig.pool.stats$.subscribe((stats) => (last = stats));
    const next = async (): Promise<PoolStats | undefined> => {
      await new Promise(setImmediate);
      rig.clock.advance(100);
      return last;
    };
    await rig.pool.start();
    expect(await next()).toMatchObject({ state: 'running', connecting: 2, waiting: 0 });
    const timedOut = rig.pool.outgoingGet('000000ff', 300).catch(() => undefined);
    expect(await next()).toMatchObject({ waiting: 1 });
    rig.clock.advance(200);
    await timedOut;
    expect(await next()).toMatchObject({ waiting: 0 });
    const giveUp = new AbortController();
    const aborted = rig.pool.outgoingGet('000000ff', { signal: giveUp.signal }).catch(() => undefined);
    expect(await next()).toMatchObject({ waiting: 1 });
    giveUp.abort();
    await aborted;
    expect(await next()).toMatchObject({ waiting: 0 });
    rig.pool.addError();
    expect(await next()).toMatchObject({ errors: 1 });
    [...rig.flights][0]?.arrive('00000001');
    await rig.pool.incomingGet(0);
    expect(await next()).toMatchObject({ used: 1, connecting: 1 });
    rig.pool.drain();
    expect(await next()).toMatchObject({ state: 'draining', connecting: 0, used: 1 });
    subscription.unsubscribe();
  });

  it('stop when nobody subscribes any more', async () => {
    const rig = new ClientRig(new FakeClock());
    const subscription = rig.pool.stats$.subscribe();
    subscription.unsubscribe();
    expect(rig.clock.pending).toBe(0);
    expect(rig.pool.listenerCount('change')).toBe(0);
    await rig.pool.close();
  });
});

describe('health', () => {
  it('of a client is down before the start, while its dials fail, and when they are stale', async () => {
    const rig = new ClientRig(new FakeClock());
    expect(rig.pool.health()).toEqual({ up: false, degraded: false, reason: 'not started' });
    await rig.pool.start();
    expect(rig.pool.health().up).toBe(true);
    rig.clock.advance(5_000);
    expect(rig.pool.health().up).toBe(true);
    rig.clock.advance(1);
    expect(rig.pool.health()).toEqual({
      up: false,
      degraded: false,
      reason: 'no connection, and no dial for 5 s: see maxInterval',
    });
    [...rig.flights][0]?.fail();
    expect(rig.pool.health()).toEqual({ up: false, degraded: false, reason: 'refused' });
    rig.clock.advance(100);
    [...rig.flights][0]?.arrive('00000001');
    expect(rig.pool.health()).toEqual({ up: true, degraded: false, reason: null });
    expect(rig.pool.errorCount()).toBe(1);
    await rig.pool.incomingGet(0);
    rig.clock.advance(60_000);
    [...rig.flights][0]?.fail();
    // A connection in use is a live one.
    expect(rig.pool.health()).toEqual({ up: true, degraded: true, reason: 'refused' });
  });

  it('of a client is not degraded by a server that is merely full, as long as there are connections', async () => {
    const rig = new ClientRig(new FakeClock(), { minCapacity: 2, maxCapacity: 2 });
    await rig.pool.start();
    const [first, second] = [...rig.flights];
    first?.refuse();
    expect(rig.pool.health()).toEqual({ up: false, degraded: false, reason: 'full' });
    second?.arrive('00000001');
    rig.clock.advance(60_000);
    [...rig.flights][0]?.refuse();
    expect(rig.pool.health()).toEqual({ up: true, degraded: false, reason: null });
  });

  it('of a server without any client is degraded', async () => {
    const rig = new ServerRig(new FakeClock());
    await rig.pool.start();
    expect(rig.pool.health()).toEqual({ up: true, degraded: true, reason: 'no client is connected' });
    const link = rig.admit();
    expect(rig.pool.health()).toEqual({ up: true, degraded: false, reason: null });
    await rig.pool.incomingGet(0);
    expect(rig.pool.health().degraded).toBe(false);
    link.vanish();
    expect(rig.pool.health().degraded).toBe(true);
  });

  it('is down when more errors were counted than maxErrors, until they are reset', async () => {
    const rig = new ClientRig(new FakeClock(), { maxErrors: 1 });
    await rig.pool.start();
    [...rig.flights][0]?.arrive('00000001');
    rig.pool.addError();
    expect(rig.pool.health().up).toBe(true);
    rig.pool.addError();
    expect(rig.pool.health()).toEqual({
      up: false,
      degraded: false,
      reason: '2 errors, more than maxErrors (1)',
    });
    rig.pool.resetError();
    expect(rig.pool.health().up).toBe(true);
  });

  it('of a server is down until it listens, and again when it does not', async () => {
    const rig = new ServerRig(new FakeClock());
    expect(rig.pool.health()).toEqual({ up: false, degraded: false, reason: 'not listening' });
    await rig.pool.start();
    expect(rig.pool.health().up).toBe(true);
    for (let stranger = 0; stranger < 100; stranger++)
      rig.gate.rejected({ why: 'address', status: 403, reason: 'unauthorized', peer: 'x' });
    expect(rig.pool.health().up).toBe(true);
    rig.gate.stopped();
    expect(rig.pool.health()).toEqual({ up: false, degraded: false, reason: 'not listening' });
    rig.pool.drain();
    expect(rig.pool.health()).toEqual({ up: false, degraded: false, reason: 'draining' });
    await rig.pool.close();
    expect(rig.pool.health()).toEqual({ up: false, degraded: false, reason: 'closed' });
  });
});
