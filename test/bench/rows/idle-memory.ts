import { type Contest, type Sample, side, type Side } from '../contest.js';
import { GoPair, NodePair, type Pair } from '../pairs.js';
import { GO_PEER, OURS, TLS } from './names.js';

/** Connections that are there, and gone again, before memory is looked at: what is loaded once is not theirs. */
const REHEARSAL = 100;

export const MEMORY: Contest['metrics'] = [
  { key: 'memory', unit: 'KiB each, both ends', better: 'less' },
  { key: 'server', unit: 'KiB each', better: 'less' },
  { key: 'client', unit: 'KiB each', better: 'less' },
];

/** What connections cost that nobody uses. */
export const IDLE_MEMORY: Contest = {
  name: 'idle-memory',
  work: '5,000 idle connections',
  metrics: MEMORY,
  targets: [{ metric: 'memory', peer: TLS, atMost: 1.15 }],
  warmUp: 0,
  sides(bench) {
    const connections = bench.amount(5_000, 500);
    const idler = (name: string, start: () => Pair | Promise<Pair>): Side =>
      side(name, start, (pair) => memoryOfIdle(pair, connections));
    const { credentials } = bench;
    return [
      idler(OURS, () => new NodePair('pool', credentials)),
      idler(TLS, () => new NodePair('tls', credentials)),
      ...bench.inGo([idler(GO_PEER, () => GoPair.start('pool', credentials))]),
    ];
  },
};

/** What each of so many idle connections takes. */
export async function memoryOfIdle(pair: Pair, connections: number): Promise<Sample> {
  await pair.open(REHEARSAL);
  await pair.fill(REHEARSAL);
  await pair.close();
  const before = await memoryOf(pair);
  await pair.open(connections);
  await pair.fill(connections);
  const after = await memoryOf(pair);
  const [server = NaN, client = NaN] = after.map(
    (memory, i) => (memory - (before[i] ?? NaN)) / 1024 / connections,
  );
  return { memory: server + client, server, client };
}

/** The resident memory of both ends, without garbage. */
async function memoryOf({ ends }: Pair): Promise<number[]> {
  const usages = await Promise.all(ends.map((end) => end.usage(true)));
  return usages.map(({ memory }) => memory);
}
