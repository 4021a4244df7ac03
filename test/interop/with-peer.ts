import { describeUnless } from '../support/describe-unless.js';
import { obstacleToPeer } from './driver.js';

/** Describes what needs a foreign peer. */
export function describeWithPeer(name: string, body: () => void): void {
  describeUnless(obstacleToPeer())(name, body);
}
