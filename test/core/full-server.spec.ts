import { describe, expect, it } from '@jest/globals';
import { FakeClock } from '../../lib/testing/fake-clock.js';
import { ClientRig, idSource } from '../support/stub-link.js';

describe('a client of a server that is full', () => {
  // 429: the server has as many of this address as it takes.
  it.each([503, 429])(
    '(%i) dials again soon when its own connections are taken, and counts no error',
    async (status) => {
      const options = { minCapacity: 4, maxCapacity: 4, minInterval: 100, maxInterval: 100 };
      const rig = new ClientRig(new FakeClock(), options, () => 0xffff_ffff);
      await rig.pool.start();
      const freshId = idSource();
      const [first, second] = [...rig.flights];
      first?.arrive(freshId());
      second?.arrive(freshId());
      // The back-off grows to its maximum.
      for (let second = 0; second < 60; second++) {
        for (const flight of [...rig.flights]) flight.refuse(status);
        rig.clock.advance(1_000);
      }
      for (const flight of [...rig.flights]) flight.refuse(status);
      rig.clock.advance(200);
      expect(rig.flights.size).toBe(0);
      await rig.pool.incomingGet(0);
      rig.clock.advance(100);
      expect(rig.flights.size).toBe(1);
      rig.arriveAll(freshId);
      expect(rig.pool.stats()).toMatchObject({ active: 2, errors: 0 });
    },
  );
});
