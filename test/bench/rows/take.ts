import { Child } from '../child.js';
import { type Contest, side } from '../contest.js';
import type { TakeHandlers } from '../ends/take-end.js';
import { OURS } from './names.js';

/** With the most that they can hold: tarn runs out of memory beyond. */
const PEERS = [
  { name: 'generic-pool', most: Infinity },
  { name: 'tarn', most: 10_000 },
  { name: 'lightning-pool', most: Infinity },
] as const;

/** Taking what is there, and nothing else: connections are stubs. */
function take(get: 'incomingGet' | 'outgoingGet', idle: number): Contest {
  return {
    name: `${get === 'incomingGet' ? 'take' : 'take-by-id'}-${idle}`,
    work: `${get} of one of ${idle} idle stubs, and putting it back`,
    metrics: [
      { key: 'take', unit: 'ns', better: 'less' },
      { key: 'putBack', unit: 'ns', better: 'less' },
    ],
    targets: [
      { metric: 'take', peer: null, atMost: 1_000 },
      { metric: 'take', peer: 'generic-pool', atMost: 1 / 3 },
    ],
    sides(bench) {
      const rounds = bench.amount(20_000, 4_000);
      const sides = [
        { name: OURS, kind: get },
        ...PEERS.filter(({ most }) => most >= idle).map(({ name }) => ({ name, kind: name })),
      ] as const;
      const full = (kind: Parameters<TakeHandlers['open']>[0]) => async (): Promise<Child<TakeHandlers>> => {
        const child = new Child<TakeHandlers>('take-end');
        await child.ask('open', kind, idle);
        return child;
      };
      return sides.map(({ name, kind }) =>
        side(name, full(kind), (child, share) => child.ask('take', rounds * share)),
      );
    },
  };
}

export const TAKE: readonly Contest[] = [10, 1_000, 100_000].flatMap((idle) => [
  take('incomingGet', idle),
  take('outgoingGet', idle),
]);
