import { type Contest, side, type Target } from '../contest.js';
import { NodePair } from '../pairs.js';
import { OURS, TLS, WS_STREAM } from './names.js';

/** Round trips of one message at a time, sent back by the server. */
function rtt(name: string, bytes: number): Contest {
  const targets: Target[] = [{ metric: 'p50', peer: TLS, atMost: 1.08 }];
  return {
    name,
    work: `an echo of ${bytes} B, one at a time`,
    metrics: [
      { key: 'p50', unit: 'µs', better: 'less' },
      { key: 'p99', unit: 'µs', better: 'less' },
    ],
    targets,
    sides(bench) {
      const times = bench.amount(8_000, 4_000);
      const kinds = { [OURS]: 'pool', [TLS]: 'tls', [WS_STREAM]: 'webSocket' } as const;
      const echoed = (kind: 'pool' | 'tls' | 'webSocket') => async (): Promise<NodePair> => {
        const pair = new NodePair(kind, bench.credentials);
        await pair.open(1);
        await pair.take(1);
        await pair.server.ask('echo');
        return pair;
      };
      return Object.entries(kinds).map(([name, kind]) =>
        side(name, echoed(kind), (pair, share) => pair.client.ask('trips', bytes, times * share)),
      );
    },
  };
}

export const RTT: readonly Contest[] = [rtt('rtt-1b', 1), rtt('rtt-1k', 1_024)];
