import { setTimeout as sleep } from 'node:timers/promises';
import { Child, cpuDuring } from '../child.js';
import type { Bench, Contest, Running, Sample, Side } from '../contest.js';
import type { ChurnHandlers, Tally } from '../ends/churn-end.js';
import { GoPair } from '../pairs.js';
import { GO_PEER, OURS, UNWATCHED, WATCHED } from './names.js';

const CAPACITY = 100;
const LOOPS = 32;
const BYTES = 1_024;

/** How long a get of a Go peer waits, in milliseconds. */
const GET_TIMEOUT = 20_000;

/**
 * The pause between two rounds of dialling, in milliseconds, with which each does best. Under protocol 1 every use wants
 * a dial; under protocol 2 a round that comes too soon dials in place of what is about to come back.
 */
const INTERVALS = { 1: 1, 2: 1_000 } as const;

const PROTOCOL_1 = 'protocol 1';

/** Connections that are taken, used for one exchange, and ended. */
export const CHURN: Contest = {
  name: 'churn',
  work: `take, ${BYTES} B there and back, end, refill: ${LOOPS} at a time, from a pool of ${CAPACITY}`,
  metrics: [
    { key: 'rate', unit: 'uses/s', better: 'more' },
    { key: 'cpu', unit: 'CPU ms each', better: 'less' },
    { key: 'wait', unit: 'p99 ms', better: 'less' },
  ],
  targets: [
    { metric: 'rate', peer: GO_PEER, atLeast: 10 },
    { metric: 'rate', peer: PROTOCOL_1, atLeast: 10 },
  ],
  warmUp: 1,
  sides(bench) {
    const span = bench.amount(1_400, 1_000);
    const own = (name: string, protocol: 1 | 2): Side => ({
      name,
      start: () => startOwn(bench, protocol, span, false),
    });
    // As it comes, and without the post-quantum part of its key exchange, which Node 20 has not.
    const go = (name: string, env = {}): Side => ({ name, start: () => startGo(bench, env, span) });
    return [
      own(OURS, 2),
      own(PROTOCOL_1, 1),
      ...bench.inGo([go(GO_PEER), go(`${GO_PEER}, X25519`, { GODEBUG: 'tlsmlkem=0' })]),
    ];
  },
};

/** The same with and without metrics. */
export const WATCHED_CHURN: Contest = {
  ...CHURN,
  name: 'metrics-churn',
  targets: [{ metric: 'rate', peer: UNWATCHED, atLeast: 0.97 }],
  sides(bench) {
    const span = bench.amount(1_400, 1_000);
    const own = (name: string, isWatched: boolean): Side => ({
      name,
      start: () => startOwn(bench, 2, span, isWatched),
    });
    return [own(WATCHED, true), own(UNWATCHED, false)];
  },
};

async function startOwn(
  { credentials }: Bench,
  protocol: 1 | 2,
  span: number,
  isWatched: boolean,
): Promise<Running> {
  const [server, client] = [new Child<ChurnHandlers>('churn-end'), new Child<ChurnHandlers>('churn-end')];
  const port = await server.ask('listen', protocol, credentials.pem, CAPACITY, isWatched);
  await client.ask('dial', protocol, port, CAPACITY, INTERVALS[protocol], isWatched);
  await Promise.all([server.ask('churn', LOOPS, BYTES), client.ask('churn', LOOPS, BYTES)]);
  const tally = async (): Promise<Tally> => {
    const [atServer] = await Promise.all([server.ask('tally'), client.ask('tally')]);
    return atServer;
  };
  return {
    children: { server, client },
    measure: (share) => during([server, client], tally, span * share),
    async [Symbol.asyncDispose]() {
      await Promise.all([server.ask('close'), client.ask('close')]);
      await Promise.all([server[Symbol.asyncDispose](), client[Symbol.asyncDispose]()]);
    },
  };
}

async function startGo({ credentials }: Bench, env: Record<string, string>, span: number): Promise<Running> {
  const pair = await GoPair.start('pool', credentials, env);
  await pair.open(CAPACITY);
  await pair.ask('churn', { loops: LOOPS, bytes: BYTES, timeout: GET_TIMEOUT });
  const tally = async (): Promise<Tally> => {
    const [atServer] = (await pair.ask<Tally>('tally')) as [Tally];
    return atServer;
  };
  return {
    children: pair.children,
    measure: (share) => during(pair.ends, tally, span * share),
    [Symbol.asyncDispose]: () => pair[Symbol.asyncDispose](),
  };
}

/** What was done in this time, by a tally at both of its ends. */
async function during(
  ends: Parameters<typeof cpuDuring>[0],
  tally: () => Promise<Tally>,
  span: number,
): Promise<Sample> {
  await tally();
  const { cpu, result } = await cpuDuring(ends, async () => {
    await sleep(span);
    return tally();
  });
  const { uses, milliseconds, wait } = result;
  return { rate: (uses / milliseconds) * 1000, cpu: cpu / uses, wait };
}
