import { Child } from '../child.js';
import { type Contest, side } from '../contest.js';
import type { WaitHandlers } from '../ends/wait-end.js';
import { OURS } from './names.js';

/** A get that comes before its connection. */
export const WAIT: Contest = {
  name: 'wait',
  work: "from an ID's landing to the return of the outgoingGet that waits for it",
  metrics: [
    { key: 'p99', unit: 'ms', better: 'less' },
    { key: 'p50', unit: 'ms', better: 'less' },
  ],
  targets: [{ metric: 'p99', peer: null, atMost: 1 }],
  sides(bench) {
    const count = bench.amount(1_000, 200);
    return [
      side(
        OURS,
        () => new Child<WaitHandlers>('wait-end'),
        (child, share) => child.ask('waits', count * share),
      ),
    ];
  },
};
