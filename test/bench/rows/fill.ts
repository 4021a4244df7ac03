import { cpuDuring } from '../child.js';
import { type Contest, type Sample, side, type Side } from '../contest.js';
import { GoPair, NodePair, type Pair } from '../pairs.js';
import { GO_PEER, OURS, TLS, TLS_RESUMED, WS } from './names.js';

/** From nothing to a full pool. */
export const FILL: Contest = {
  name: 'fill',
  work: 'from 0 to 1,000 idle connections at both ends',
  metrics: [
    { key: 'rate', unit: 'connections/s', better: 'more' },
    { key: 'cpu', unit: 'CPU ms each', better: 'less' },
  ],
  targets: [
    { metric: 'rate', peer: TLS, atLeast: 0.9 },
    { metric: 'rate', peer: WS, atLeast: 1.5 },
    { metric: 'cpu', peer: GO_PEER, atMost: 1 },
  ],
  // As in a process that has been up for a while: a fresh one spends most of the time on compiling.
  warmUp: 2,
  sides(bench) {
    const connections = bench.amount(1_000, 200);
    const filler = (name: string, start: () => Pair | Promise<Pair>): Side =>
      side(name, start, (pair, share) => fill(pair, Math.ceil(connections * share)));
    const { credentials } = bench;
    return [
      filler(OURS, () => new NodePair('pool', credentials)),
      filler(TLS, () => new NodePair('tls', credentials)),
      filler(TLS_RESUMED, () => new NodePair('tls-resumed', credentials)),
      filler(WS, () => new NodePair('webSocket', credentials)),
      ...bench.inGo([filler(GO_PEER, () => GoPair.start('pool', credentials))]),
    ];
  },
};

async function fill(pair: Pair, connections: number): Promise<Sample> {
  const { cpu, result: milliseconds } = await cpuDuring(pair.ends, async () => {
    const start = performance.now();
    await pair.open(connections);
    await pair.fill(connections);
    return performance.now() - start;
  });
  await pair.close();
  return { rate: (connections / milliseconds) * 1000, cpu: cpu / connections };
}
