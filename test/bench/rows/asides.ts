import { Child } from '../child.js';
import { type Contest, type Metric, type Sample, side, type Side } from '../contest.js';
import type { AsideHandlers } from '../ends/aside-end.js';
import { OURS, TCP, TLS } from './names.js';

// What users ask for beside speed, with both ends in one process.

const MS: Metric = { key: 'time', unit: 'ms', better: 'less' };

/** A side whose work one process does. */
function alone(name: string, measure: (child: Child<AsideHandlers>, share: number) => Promise<Sample>): Side {
  return side(name, () => new Child<AsideHandlers>('aside-end'), measure);
}

const refill: Contest['sides'] = (bench) => [
  alone(OURS, (child) => child.ask('refill', bench.amount(20, 5))),
];

const firstConnection: Contest = {
  name: 'first-connection',
  work: 'from nothing to a connection of use',
  metrics: [MS],
  targets: [],
  sides(bench) {
    const times = bench.amount(200, 50);
    const openings = { [OURS]: 'pool', [TLS]: 'tls', [TCP]: 'tcp' } as const;
    return Object.entries(openings).map(([name, how]) =>
      alone(name, async (child, share) => ({ time: await child.ask('open', how, times * share) })),
    );
  },
};

export const ASIDES: readonly Contest[] = [
  firstConnection,
  {
    name: 'refill',
    work: '10 of 10 taken, until 10 are idle again, with minInterval 100',
    metrics: [
      { key: 'median', unit: 'ms', better: 'less' },
      { key: 'slowest', unit: 'ms', better: 'less' },
    ],
    targets: [],
    warmUp: 0,
    sides: refill,
  },
  {
    name: 'stalled',
    work: 'a stream that one end writes to and the other does not read, both ends',
    metrics: [{ key: 'memory', unit: 'KiB', better: 'less' }],
    targets: [],
    warmUp: 0,
    sides: () => [alone(OURS, async (child) => ({ memory: await child.ask('stalled', 10) }))],
  },
  {
    name: 'close-idle',
    work: 'close() with 1,000 idle connections',
    metrics: [MS],
    targets: [],
    warmUp: 0,
    sides: (bench) => [
      alone(OURS, async (child) => ({ time: await child.ask('closeIdle', bench.amount(1_000, 100)) })),
    ],
  },
  {
    name: 'close-deaf',
    work: 'close() with 50 idle and 50 used connections whose peers never read, drainTimeout 500',
    metrics: [MS],
    targets: [],
    warmUp: 0,
    sides: () => [alone(OURS, async (child) => ({ time: await child.ask('closeDeaf') }))],
  },
];
