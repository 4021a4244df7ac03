import { cpuDuring } from '../child.js';
import { type Contest, type Sample, side, type Target } from '../contest.js';
import { NodePair } from '../pairs.js';
import { MEMORY, memoryOfIdle } from './idle-memory.js';
import { OURS } from './names.js';

/** How often each connection is to show a sign of life, in milliseconds. */
const KEEP_ALIVE = 1_000;

const SIZES = [
  { name: OURS, size: 10_000, quick: 1_000 },
  { name: '1,000', size: 1_000, quick: 300 },
  { name: '100', size: 100, quick: 100 },
];

/** What each connection costs in a pool of ten thousand, beside smaller ones. */
export const GROWTH: Contest = {
  name: 'growth',
  work: `a pool of 10,000 beside smaller ones: what each connection costs, with keepAlive ${KEEP_ALIVE}`,
  metrics: [
    { key: 'fill', unit: 'ms each', better: 'less' },
    { key: 'take', unit: 'µs, both ends', better: 'less' },
    { key: 'sweep', unit: 'CPU µs each a period', better: 'less' },
    { key: 'delay', unit: 'p99 ms of the event loop', better: 'less' },
  ],
  targets: ['fill', 'take', 'sweep'].map((metric): Target => ({ metric, peer: '1,000', atMost: 1.25 })),
  warmUp: 0.1,
  sides(bench) {
    return SIZES.map(({ name, size, quick }) =>
      side(
        name,
        () => new NodePair('pool', bench.credentials),
        // The same work to get warm, whatever the size.
        (pair, share) =>
          share < 1 ? grow(pair, 1_000, 100) : grow(pair, bench.amount(size, quick), KEEP_ALIVE),
      ),
    );
  },
};

async function grow(pair: NodePair, size: number, span: number): Promise<Sample> {
  await pair.open(size, KEEP_ALIVE);
  const start = performance.now();
  await pair.fill(size);
  const fill = (performance.now() - start) / size;
  const { cpu, result: delays } = await cpuDuring(pair.ends, () =>
    Promise.all(pair.ends.map((end) => end.ask('delay', span))),
  );
  const take = await pair.take(50);
  await pair.close();
  return { fill, take, sweep: (cpu * 1_000) / size / (span / KEEP_ALIVE), delay: Math.max(...delays) };
}

/** What each takes of memory. */
export const MEMORY_GROWTH: Contest = {
  name: 'growth-memory',
  work: '10,000 idle connections beside fewer',
  metrics: MEMORY,
  targets: [{ metric: 'memory', peer: '1,000', atMost: 1.25 }],
  warmUp: 0,
  sides: (bench) =>
    // Of a hundred, what else a process holds would be most.
    SIZES.slice(0, 2).map(({ name, size, quick }) =>
      side(
        name,
        () => new NodePair('pool', bench.credentials),
        (pair) => memoryOfIdle(pair, bench.amount(size, quick)),
      ),
    ),
};
