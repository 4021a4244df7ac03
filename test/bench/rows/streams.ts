import { cpuDuring } from '../child.js';
import { type Contest, type Sample, side, type Side, type Target } from '../contest.js';
import { checksum } from '../ends/payload.js';
import { GoPair, type Load, NodePair, type Pair, type Way } from '../pairs.js';
import type { KINDS } from '../ends/kinds.js';
import { GO_PEER, GO_TLS, OURS, TLS, UNWATCHED, WATCHED, WS_STREAM } from './names.js';

const MEBIBYTE = 2 ** 20;
const GIBIBYTE = 2 ** 30;

/** Connections that are there before the first is taken. */
const CAPACITY = 16;

interface Streams {
  readonly name: string;
  /** One for each stream. */
  readonly ways: readonly Way[];
  /** Of one write, in KiB. */
  readonly size: number;
  /** Of all streams together, in MiB. */
  readonly amount: number;
  readonly targets: readonly Target[];
  /** Who takes part; all that carry such streams, unless told. */
  readonly kinds?: readonly (readonly [name: string, kind: keyof typeof KINDS])[];
}

/** Streams of bytes from end to end, beside all that carry such streams. */
function streams({ name, ways, size, amount, targets, kinds }: Streams): Contest {
  const way = ways[0] === 'up' ? 'client to server' : 'server to client';
  const which = ways.length > 1 ? `${ways.length} streams, half of them each way` : `a stream, ${way}`;
  return {
    name,
    work: `${which}: ${amount} MiB in writes of ${size} KiB`,
    metrics: [
      { key: 'rate', unit: 'MiB/s', better: 'more' },
      { key: 'cpu', unit: 'CPU s/GiB', better: 'less' },
    ],
    targets,
    sides(bench) {
      // The source repeats every MiB.
      const whole = bench.amount(amount, amount / 4) / ways.length;
      const load = (share: number): Load => {
        const bytes = Math.ceil(whole * share) * MEBIBYTE;
        return { ways, size: size * 1024, bytes, sum: checksum(bytes) };
      };
      const carrier = (name: string, start: () => Pair | Promise<Pair>): Side => {
        const open = async (): Promise<Pair> => {
          const pair = await start();
          await pair.open(CAPACITY);
          return pair;
        };
        return side(name, open, (pair, share) => transfer(pair, load(share)));
      };
      const { credentials } = bench;
      if (kinds) return kinds.map(([side, kind]) => carrier(side, () => new NodePair(kind, credentials)));
      return [
        carrier(OURS, () => new NodePair('pool', credentials)),
        carrier(TLS, () => new NodePair('tls', credentials)),
        carrier(WS_STREAM, () => new NodePair('webSocket', credentials)),
        ...bench.inGo([
          carrier(GO_PEER, () => GoPair.start('pool', credentials)),
          carrier(GO_TLS, () => GoPair.start('tls', credentials)),
        ]),
      ];
    },
  };
}

async function transfer(pair: Pair, load: Load): Promise<Sample> {
  const bytes = load.bytes * load.ways.length;
  const { cpu, result: milliseconds } = await cpuDuring(pair.ends, () => pair.carry(load));
  return { rate: bytes / MEBIBYTE / (milliseconds / 1000), cpu: cpu / 1000 / (bytes / GIBIBYTE) };
}

const rate = (peer: string, atLeast: number): Target => ({ metric: 'rate', peer, atLeast });

const LARGE: Target[] = [rate(TLS, 0.9), { metric: 'cpu', peer: TLS, atMost: 1.15 }, rate(WS_STREAM, 1)];
const MIDDLE: Target[] = [rate(TLS, 0.8)];
const SMALL: Target[] = [rate(TLS, 0.95), rate(WS_STREAM, 5)];

const SINGLE = (['up', 'down'] as const).flatMap((way) => [
  streams({ name: `stream-64k-${way}`, ways: [way], size: 64, amount: 1_024, targets: LARGE }),
  streams({ name: `stream-16k-${way}`, ways: [way], size: 16, amount: 384, targets: MIDDLE }),
  streams({ name: `stream-1k-${way}`, ways: [way], size: 1, amount: 160, targets: SMALL }),
]);

const EIGHT = streams({
  name: 'stream-8x64k',
  ways: ['up', 'down', 'up', 'down', 'up', 'down', 'up', 'down'],
  size: 64,
  amount: 1_024,
  targets: [rate(TLS, 0.95)],
});

/** The same with and without metrics. */
export const WATCHED_STREAM = streams({
  name: 'metrics-stream-64k',
  ways: ['up'],
  size: 64,
  amount: 1_024,
  targets: [rate(UNWATCHED, 0.97)],
  kinds: [
    [WATCHED, 'pool-watched'],
    [UNWATCHED, 'pool'],
  ],
});

export const STREAMS: readonly Contest[] = [...SINGLE, EIGHT];
