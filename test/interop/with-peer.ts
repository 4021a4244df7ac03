import { describe, it } from '@jest/globals';
import { obstacleToPeer } from './driver.js';

/** Describes what needs a foreign peer. Without one it fails where CI is set, and elsewhere says that it did not run. */
export function describeWithPeer(name: string, body: () => void): void {
  const obstacle = obstacleToPeer();
  if (obstacle === null) {
    describe(name, body);
    return;
  }
  describe(name, () => {
    if (process.env['CI']) {
      it('has a peer to run against', () => {
        throw new Error(obstacle);
      });
    } else {
      console.warn(`${name}: did not run, as ${obstacle}`);
      it.skip(`did not run, as ${obstacle}`, () => undefined);
    }
  });
}
