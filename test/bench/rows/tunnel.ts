import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import type { Told } from '../../../sample/parts/child.js';
import type { KeyPair } from '../../support/certificates.js';
import { fileOf } from '../build.js';
import { Child, cpuDuring, type Measured, type Usage, usageOf } from '../child.js';
import type { Contest, Running } from '../contest.js';
import type { RelayHandlers } from '../ends/relay-end.js';
import { OURS, RELAY, TLS_RELAY } from './names.js';

const VISITORS = 100;

/** The reverse tunnel of `npm start` beside two plain TCP relays, one behind the other, before the same service. */
function tunnel(name: string, bytes: number): Contest {
  return {
    name,
    work: `${VISITORS} visitors with keep-alive ask for ${bytes} B through two processes`,
    metrics: [
      { key: 'rate', unit: 'answers/s', better: 'more' },
      { key: 'cpu', unit: 'CPU ms each', better: 'less' },
      { key: 'p50', unit: 'ms', better: 'less' },
      { key: 'p99', unit: 'ms', better: 'less' },
    ],
    targets: [{ metric: 'rate', peer: RELAY, atLeast: 0.7 }],
    sides(bench) {
      const span = bench.amount(1_500, 1_000);
      return [
        { name: OURS, start: () => start(openTunnel, bytes, span) },
        { name: RELAY, start: () => start(relays(null), bytes, span) },
        { name: TLS_RELAY, start: () => start(relays(bench.credentials.pem), bytes, span) },
      ];
    },
  };
}

/** What stands between the visitors and the service. */
interface Way extends AsyncDisposable {
  readonly port: number;
  readonly ends: readonly Measured[];
}

async function start(open: (service: number) => Promise<Way>, bytes: number, span: number): Promise<Running> {
  const [service, visitors] = [new Child<RelayHandlers>('relay-end'), new Child<RelayHandlers>('relay-end')];
  const way = await open(await service.ask('service'));
  return {
    children: {},
    async measure(share) {
      const { cpu, result } = await cpuDuring(way.ends, () =>
        visitors.ask('visit', way.port, VISITORS, bytes, span * share),
      );
      const answers = result.rate * ((span * share) / 1000);
      return { ...result, cpu: cpu / answers };
    },
    async [Symbol.asyncDispose]() {
      await visitors[Symbol.asyncDispose]();
      await way[Symbol.asyncDispose]();
      await service[Symbol.asyncDispose]();
    },
  };
}

async function openTunnel(service: number): Promise<Way> {
  const entrance = await App.start('public', { VISITOR_PORT: 0, POOL_PORT: 0, PORT: 0 });
  const { visitorPort, poolPort } = entrance.told as { visitorPort: number; poolPort: number };
  const exit = await App.start('edge', { POOL_PORT: poolPort, PRIVATE_PORT: service, PORT: 0 });
  return {
    port: visitorPort,
    ends: [entrance, exit],
    async [Symbol.asyncDispose]() {
      await Promise.all([exit.kill(), entrance.kill()]);
    },
  };
}

const relays =
  (tls: KeyPair | null) =>
  async (service: number): Promise<Way> => {
    const [entrance, exit] = [new Child<RelayHandlers>('relay-end'), new Child<RelayHandlers>('relay-end')];
    const port = await exit.ask('relay', service, tls && { ...tls, at: 'entrance' });
    return {
      port: await entrance.ask('relay', port, tls && { ...tls, at: 'exit' }),
      ends: [entrance, exit],
      async [Symbol.asyncDispose]() {
        await Promise.all([entrance[Symbol.asyncDispose](), exit[Symbol.asyncDispose]()]);
      },
    };
  };

/** One of the apps of `npm start`. */
class App implements Measured {
  private constructor(
    private readonly process: ChildProcess,
    /** Where it can be reached. */
    readonly told: Told,
  ) {}

  static async start(name: 'public' | 'edge', settings: Readonly<Record<string, number>>): Promise<App> {
    const env = Object.entries(settings).map(([key, value]) => [key, String(value)] as const);
    const child = fork(fileOf(name), {
      env: { ...process.env, DASHBOARD: 'off', ...Object.fromEntries(env) },
      execArgv: [],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    const [told] = (await once(child, 'message')) as [Told];
    return new App(child, told);
  }

  usage(): Promise<Usage> {
    return Promise.resolve(usageOf(this.process.pid ?? 0));
  }

  async kill(): Promise<void> {
    const gone = once(this.process, 'exit');
    this.process.kill('SIGKILL');
    await gone;
  }
}

export const TUNNEL: readonly Contest[] = [
  tunnel('tunnel-http-1k', 1_024),
  tunnel('tunnel-http-1m', 2 ** 20),
];
