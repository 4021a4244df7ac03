import { describe, expect, it } from '@jest/globals';
import { NpwsDialError, NpwsHandshakeError } from '../../lib/core/errors.js';
import { dialFailureOf } from '../../lib/core/measures.js';
import { idSource, startedClient, startedServer } from '../support/stub-link.js';

function dialError(code: string | undefined): NpwsDialError {
  return new NpwsDialError('no', { cause: Object.assign(new Error('no'), { code }) });
}

describe('what a pool counts', () => {
  it('are gets by how they ended', async () => {
    const rig = await startedClient({ minCapacity: 1, maxCapacity: 1, minInterval: 100, maxWaiters: 1 });
    const nextId = idSource();
    rig.arriveAll(nextId);
    await rig.pool.incomingGet(0);
    await expect(rig.pool.incomingGet(0)).rejects.toThrow('within 0 ms');
    const waiting = rig.pool.incomingGet();
    await expect(rig.pool.incomingGet()).rejects.toThrow('maxWaiters');
    rig.clock.advance(400);
    rig.arriveAll(nextId);
    await waiting;
    const abort = new AbortController();
    const aborted = rig.pool.incomingGet({ signal: abort.signal });
    abort.abort();
    await expect(aborted).rejects.toThrow('aborted');
    rig.pool.drain();
    await expect(rig.pool.incomingGet()).rejects.toThrow('shutting down');
    const { takes, times } = rig.pool.stats();
    expect(takes).toEqual({ immediate: 1, waited: 1, timeout: 1, aborted: 1, refused: 2 });
    expect(times.wait).toEqual({ count: 2, sum: 400, p50: 0.01, p99: 400 });
  });

  it('are uses by how long they took, until their link is gone or comes back', async () => {
    const rig = await startedServer();
    const [gone, back] = [rig.admit(false), rig.admit(true)];
    await rig.pool.incomingGet(0);
    rig.clock.advance(100);
    await rig.pool.incomingGet(0);
    rig.clock.advance(900);
    back.comeBack();
    gone.vanish(true);
    expect(rig.pool.stats().times.use).toEqual({ count: 2, sum: 1_900, p50: 1_000, p99: 1_000 });
    rig.clock.advance(5_000);
    back.vanish();
    expect(rig.pool.stats().times.use.count).toBe(2);
  });

  it('are dials that failed, by reason, and errors, which a reset does not take', async () => {
    const rig = await startedClient({ minCapacity: 3, maxCapacity: 3 });
    const [first, second, third] = [...rig.flights];
    first?.fail(dialError('ECONNREFUSED'));
    second?.refuse();
    third?.refuse(403);
    rig.pool.resetError();
    expect(rig.pool.stats()).toMatchObject({ errors: 0, errorsEver: 2 });
    expect(rig.pool.stats().dialFailures).toMatchObject({
      unreachable: 1,
      full: 1,
      forbidden: 1,
      timeout: 0,
    });
  });

  it('are strangers, by reason', async () => {
    const rig = await startedServer();
    rig.gate.rejected({ why: 'tls', status: 0, reason: 'no', peer: 'a:1' });
    rig.gate.rejected({ why: 'full', status: 503, reason: 'no', peer: 'a:1' });
    rig.gate.rejected({ why: 'full', status: 503, reason: 'no', peer: 'a:1' });
    expect(rig.pool.stats()).toMatchObject({ rejected: 3, rejections: { tls: 1, full: 2, address: 0 } });
  });

  it('are told one by one to those who listen', async () => {
    const rig = await startedClient({ minCapacity: 1, maxCapacity: 1 });
    const told: unknown[] = [];
    rig.pool.on('timed', (what, ms) => told.push([what, ms]));
    rig.clock.advance(30);
    rig.arriveAll(idSource());
    await rig.pool.incomingGet(0);
    rig.clock.advance(70);
    rig.links[0]?.vanish(true);
    expect(told).toEqual([
      ['dial', 30],
      ['wait', 0],
      ['use', 70],
    ]);
    const { dial, wait, use, ping } = rig.pool.distributions();
    expect([dial, wait, use, ping].map(({ count, sum }) => [count, sum])).toEqual([
      [1, 30],
      [1, 0],
      [1, 70],
      [0, 0],
    ]);
  });

  it.each([
    ['dns', dialError('ENOTFOUND')],
    ['dns', dialError('EAI_AGAIN')],
    ['unreachable', dialError('ECONNREFUSED')],
    ['unreachable', dialError('ECONNRESET')],
    ['timeout', dialError('ETIMEDOUT')],
    ['timeout', new NpwsDialError('timed out')],
    ['tls', dialError('CERT_HAS_EXPIRED')],
    ['tls', dialError('ERR_NPWS_PIN')],
    ['tls', dialError('EPROTO')],
    ['tls', dialError(undefined)],
    ['full', new NpwsHandshakeError('no', 503)],
    ['limited', new NpwsHandshakeError('no', 429)],
    ['forbidden', new NpwsHandshakeError('no', 403)],
    ['http', new NpwsHandshakeError('no', 301)],
    ['handshake', new NpwsHandshakeError('no', null)],
  ])('is %p for %p', (reason, error) => {
    expect(dialFailureOf(error)).toBe(reason);
  });
});

describe('the live connections of a pool', () => {
  it('are told with where they are, for how long, and what they carried', async () => {
    const rig = await startedServer({ maxCapacity: 4 });
    const [used, owed, back, idle] = [rig.admit(), rig.admit(), rig.admit(), rig.admit()];
    await rig.pool.incomingGet(0);
    owed.begin();
    await rig.pool.outgoingGet(back.id, 0);
    rig.clock.advance(500);
    // There is room again: it is named at once.
    back.comeBack();
    const bytes = { received: 3, sent: 4 };
    const common = { peer: 'stub:1', age: 500, bytes };
    expect(rig.pool.connections()).toEqual([
      { ...common, id: used.id, state: 'used', usedFor: 500 },
      { ...common, id: owed.id, state: 'owed', usedFor: null },
      { ...common, id: idle.id, state: 'idle', usedFor: null },
      { ...common, id: back.id, state: 'idle', usedFor: null },
    ]);
    expect(rig.pool.connections(2).map(({ state }) => state)).toEqual(['used', 'owed']);
  });

  it('are returned while a client waits for their next ID', async () => {
    const rig = await startedClient({ minCapacity: 1, maxCapacity: 1 });
    rig.arriveAll(idSource(), true);
    await rig.pool.incomingGet(0);
    rig.links[0]?.comeBack();
    expect(rig.pool.connections()).toMatchObject([{ state: 'returned', usedFor: null }]);
  });
});
