import { describe, expect, it } from '@jest/globals';
import { FakeClock } from '../../lib/testing/fake-clock.js';
import { ClientRig, idSource, type StubLink } from '../support/stub-link.js';

async function settle(): Promise<void> {
  await new Promise(setImmediate);
}

async function started(options: ConstructorParameters<typeof ClientRig>[1] = {}): Promise<ClientRig> {
  const rig = new ClientRig(new FakeClock(), options);
  await rig.pool.start();
  return rig;
}

/** What must be true of a pool that was told to close and whose links are gone. */
async function expectNothingLeft(rig: ClientRig): Promise<void> {
  const closing = rig.pool.close();
  for (const link of rig.links) link.vanish(true);
  rig.clock.advance(120_000);
  await closing;
  expect(rig.pool.stats()).toMatchObject({ state: 'closed', connecting: 0, active: 0 });
  expect(rig.flights.size).toBe(0);
  expect(rig.clock.pending).toBe(0);
}

describe('a listener', () => {
  it('may close the pool while the manager adjusts', async () => {
    const rig = await started({ minCapacity: 2, maxCapacity: 9 });
    rig.pool.on('adjust', () => void rig.pool.close());
    rig.arriveAll(idSource());
    rig.clock.advance(1_000);
    expect(rig.pool.stats().state).toBe('draining');
    await expectNothingLeft(rig);
  });

  it('may close the pool when the first connection after an outage arrives', async () => {
    const rig = await started({ minCapacity: 3, maxCapacity: 3 });
    for (const flight of [...rig.flights]) flight.fail();
    rig.pool.on('connect', () => void rig.pool.close());
    rig.clock.advance(100);
    rig.arriveAll(idSource());
    expect(rig.flights.size).toBe(0);
    await expectNothingLeft(rig);
  });

  it('may close the pool before it is under way', async () => {
    const rig = new ClientRig(new FakeClock(), { minCapacity: 9, maxCapacity: 3 });
    rig.pool.on('warning', () => void rig.pool.close());
    await rig.pool.start();
    expect(rig.dials).toEqual([]);
    await expectNothingLeft(rig);
  });

  it.each(['drain', 'change'] as const)('that closes the pool at %p gets the same promise', async (event) => {
    const rig = await started({ minCapacity: 2, maxCapacity: 2 });
    rig.arriveAll(idSource());
    const closings: Promise<void>[] = [];
    rig.pool.on(event, () => closings.push(rig.pool.close()));
    closings.push(rig.pool.close());
    expect(closings.length).toBeGreaterThan(1);
    expect(new Set(closings).size).toBe(1);
    await expectNothingLeft(rig);
  });

  it('that takes a connection during a flush keeps it', async () => {
    const rig = await started({ minCapacity: 3, maxCapacity: 3 });
    rig.arriveAll(idSource());
    const taken: Promise<StubLink>[] = [];
    rig.pool.once('change', () => taken.push(rig.pool.incomingGet(0)));
    expect(rig.pool.flush()).toBe(2);
    const [link] = await Promise.all(taken);
    expect(link?.closedWith).toBeNull();
    expect(rig.pool.stats()).toMatchObject({ used: 1, active: 0 });
  });

  it.each([false, true])(
    'may close the pool when a connection gives way to the next bearer of its ID (protocol 2: %p)',
    async (renewable) => {
      const rig = await started({ minCapacity: 2, maxCapacity: 2 });
      const [first, second] = [...rig.flights];
      first?.arrive('0000000a', false, renewable);
      rig.pool.once('change', () => void rig.pool.close());
      second?.arrive('0000000a', false, renewable);
      expect(rig.links.map(({ isLive }) => isLive)).toEqual([false, false]);
      await expectNothingLeft(rig);
    },
  );

  it('may close the pool while waiters are served', async () => {
    const rig = await started({ minCapacity: 1, maxCapacity: 4, minInterval: 100 });
    const outcomes: string[] = [];
    for (let asked = 0; asked < 3; asked++) {
      rig.pool.incomingGet().then(
        () => outcomes.push('taken'),
        (error: unknown) => outcomes.push((error as { code: string }).code),
      );
    }
    rig.pool.on('connect', () => void rig.pool.close());
    rig.clock.advance(100);
    [...rig.flights][0]?.arrive('00000001');
    await settle();
    expect(outcomes.sort()).toEqual(['ERR_NPWS_DRAINING', 'ERR_NPWS_DRAINING', 'taken']);
    await expectNothingLeft(rig);
  });
});
