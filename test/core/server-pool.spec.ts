import { describe, expect, it } from '@jest/globals';
import { NpwsListenError } from '../../lib/core/errors.js';
import { FakeClock } from '../../lib/testing/fake-clock.js';
import { counter, ServerRig, startedServer as started } from '../support/stub-link.js';

describe('a server pool', () => {
  it('names the first connection 00000000 and all others at random', async () => {
    const rig = await started();
    expect([rig.connect(), rig.connect(), rig.connect()].map((link) => link?.id)).toEqual([
      '00000000',
      '00000001',
      '00000002',
    ]);
  });

  it('never issues an ID that is live, in use included', async () => {
    const draws = [7, 7, 0, 7, 9];
    const rig = await started({}, () => draws.shift() ?? 0);
    rig.connect();
    const seven = rig.connect();
    await rig.pool.outgoingGet('00000007', 0);
    expect(rig.connect()?.id).toBe('00000009');
    seven?.vanish();
  });

  it('frees an ID when its connection is gone', async () => {
    const draws = [7, 7];
    const rig = await started({}, () => draws.shift() ?? 0);
    rig.connect();
    rig.connect()?.vanish();
    expect(rig.connect()?.id).toBe('00000007');
  });

  it('refuses, and counts an error, when its randomness is broken', async () => {
    const rig = await started({}, () => 7);
    rig.connect();
    rig.connect();
    expect(rig.connect()).toBeNull();
    expect(rig.pool.errorCount()).toBe(1);
  });

  it('has room for its maximum of idle ones, those being set up and those owed included', async () => {
    const rig = await started({ maxCapacity: 3 });
    const slot = rig.gate.reserve();
    rig.connect();
    rig.connect()?.begin();
    expect(rig.gate.reserve()).toBeUndefined();
    slot?.release();
    slot?.release();
    expect(rig.connect()).not.toBeNull();
    expect(rig.gate.reserve()).toBeUndefined();
    await rig.pool.incomingGet(0);
    expect(rig.gate.reserve()).toBeDefined();
  });

  it('still issues 00000000 when the first slot came to nothing', async () => {
    const rig = await started();
    const slot = rig.gate.reserve();
    expect(slot?.id).toBe('00000000');
    expect(rig.gate.reserve()?.id).toBe('00000001');
    slot?.release();
    expect(rig.connect()?.id).toBe('00000000');
  });

  it('issues 00000000 once', async () => {
    const rig = await started();
    rig.connect()?.vanish();
    expect(rig.connect()?.id).toBe('00000001');
  });

  it('lets nobody in while it drains and after it is closed', async () => {
    const rig = await started();
    const slot = rig.gate.reserve();
    rig.pool.drain();
    expect(rig.gate.reserve()).toBeUndefined();
    expect(slot).toBeDefined();
    slot?.release();
    await rig.pool.close();
    expect(rig.gate.reserve()).toBeUndefined();
    expect(rig.isListening).toBe(false);
  });

  it('has its maximum as capacity and no interval', async () => {
    const rig = await started({ maxCapacity: 42 });
    expect([rig.pool.capacity(), rig.pool.interval()]).toEqual([42, 0]);
  });

  it('starts once, is ready when it listens, and may be started again after a failure', async () => {
    const failures = [new Error('in use')];
    const rig = new ServerRig(new FakeClock(), {}, counter(), () => {
      const failure = failures.shift();
      return failure ? Promise.reject(failure) : Promise.resolve();
    });
    await expect(rig.pool.start()).rejects.toBeInstanceOf(NpwsListenError);
    expect(rig.pool.ready()).toBe(false);
    expect(rig.pool.errorCount()).toBe(1);
    const waiting = rig.pool.whenReady(1_000);
    const start = rig.pool.start();
    expect(rig.pool.start()).toBe(start);
    await start;
    await waiting;
    expect(rig.pool.ready()).toBe(true);
    await rig.pool.close();
    expect(rig.pool.ready()).toBe(false);
  });

  it('counts strangers apart from errors', async () => {
    const rig = await started();
    const told: unknown[] = [];
    rig.pool.on('reject', (event) => told.push(event));
    rig.gate.rejected({ why: 'address', status: 403, reason: 'unauthorized', peer: '192.0.2.1:5' });
    expect(rig.pool.stats()).toMatchObject({ rejected: 1, errors: 0 });
    expect(told).toEqual([{ why: 'address', status: 403, reason: 'unauthorized', peer: '192.0.2.1:5' }]);
  });

  describe('that reserves the control connection', () => {
    it('keeps it from who takes any and lets it fill no capacity', async () => {
      const rig = await started({ maxCapacity: 1, reserveControl: true });
      const control = rig.connect();
      const other = rig.connect();
      expect(rig.connect()).toBeNull();
      expect(await rig.pool.incomingGet(0)).toBe(other);
      await expect(rig.pool.incomingGet(0)).rejects.toMatchObject({ code: 'ERR_NPWS_TIMEOUT' });
      expect(await rig.pool.outgoingGet('00000000', 0)).toBe(control);
    });

    it('issues it again when it is lost, to a client that is made to dial', async () => {
      const rig = await started({ maxCapacity: 2, reserveControl: true });
      const control = rig.connect();
      const oldest = rig.connect();
      rig.connect();
      await rig.pool.outgoingGet('00000000', 0);
      expect(rig.connect()).toBeNull();
      control?.vanish();
      expect(oldest?.closedWith).toBe(1000);
      expect(rig.connect()?.id).toBe('00000000');
    });
  });
});
