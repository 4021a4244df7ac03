import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { GoPeer, obstacleToPeer, UnsupportedError } from '../interop/driver.js';
import type { KeyPair } from '../support/certificates.js';
import type { ChurnRequest, Tally } from './churn-peer.js';

const CAPACITY = 100;
const LOOPS = 32;
const BYTES = 1024;

/** How long a get of a foreign peer waits, in milliseconds. */
const GET_TIMEOUT = 20_000;

/**
 * The pause between two rounds of dialling, in milliseconds, with which each does best. Under protocol 1 every use wants
 * a dial; under protocol 2 a round that comes too soon dials in place of what is about to come back.
 */
const INTERVALS = { 1: 1, 2: 1_000 } as const;

/** A Go peer's environment as it comes, and without the post-quantum part of its key exchange, which Node 20 has not. */
const GO_ENVIRONMENTS = [
  { env: {}, what: '' },
  { env: { GODEBUG: 'tlsmlkem=0' }, what: ' (X25519)' },
] as const;

/** Clock ticks a second in `/proc`: what Linux tells programs, whatever its own clock does. */
const TICKS = 100;

/** Who is measured: a server and a client of one kind, each in a process that serves all runs. */
export interface Side extends AsyncDisposable {
  readonly name: string;
  readonly shortName: string;
  /** Opens both pools and sets the loops going. */
  open(): Promise<void>;
  /** What was done since the last tally, or since `open`; the CPU is that of both ends. Rejects when anything failed. */
  tally(): Promise<Tally>;
  close(): Promise<void>;
}

/** This package at both ends. */
export class OwnSide implements Side {
  readonly name: string;
  readonly shortName: string;
  readonly #server = new OwnEnd();
  readonly #client = new OwnEnd();

  constructor(
    private readonly protocol: 1 | 2,
    private readonly tls: KeyPair,
  ) {
    this.name = this.shortName = `protocol ${protocol}`;
  }

  async open(): Promise<void> {
    const { protocol, tls } = this;
    const both = { protocol, capacity: CAPACITY };
    const { port } = await this.#server.ask<{ port: number }>({ do: 'server', tls, ...both });
    await this.#client.ask({ do: 'client', port, interval: INTERVALS[protocol], ...both });
    const churn = { do: 'churn', loops: LOOPS, bytes: BYTES } as const;
    await Promise.all([this.#server.ask(churn), this.#client.ask(churn)]);
  }

  async tally(): Promise<Tally> {
    const tallies = [this.#server, this.#client].map((end) => end.ask<Tally>({ do: 'tally' }));
    const [server, client] = (await Promise.all(tallies)) as [Tally, Tally];
    return { ...server, cpu: server.cpu + client.cpu };
  }

  async close(): Promise<void> {
    await Promise.all([this.#server, this.#client].map((end) => end.ask({ do: 'close' })));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#server.exit(), this.#client.exit()]);
  }
}

/** A process with one pool of this package. */
class OwnEnd {
  readonly #child = fork(fileURLToPath(new URL('churn-peer.ts', import.meta.url)));
  readonly #gone = once(this.#child, 'exit');

  /** One question at a time. */
  ask<T = object>(request: ChurnRequest): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#child.once('message', (answer: T & { error?: string }) => {
        if (answer.error === undefined) resolve(answer);
        else reject(new Error(`${request.do}: ${answer.error}`));
      });
      void this.#gone.then(() => {
        reject(new Error(`${request.do}: the process is gone`));
      });
      this.#child.send(request);
    });
  }

  async exit(): Promise<void> {
    if (this.#child.connected) this.#child.disconnect();
    await this.#gone;
  }
}

/** PEM files of the server. */
interface Files {
  readonly cert: string;
  readonly key: string;
}

/** Starts the Go peer, or whatever INTEROP_PEER names, at both ends, once for each environment; or tells why it can't. */
export async function startForeign(files: Files): Promise<ForeignSide[] | string> {
  const obstacle = obstacleToPeer();
  if (obstacle !== null) return obstacle;
  const sides: ForeignSide[] = [];
  try {
    for (const { env, what } of GO_ENVIRONMENTS) {
      const side = await ForeignSide.start(files, env, what);
      sides.push(side);
      await side.open();
      await side.close();
    }
    return sides;
  } catch (error) {
    for (const side of sides) await side[Symbol.asyncDispose]();
    if (error instanceof UnsupportedError) return error.message;
    throw error;
  }
}

/** A peer of the interop tests at both ends: its loops run inside of it. */
class ForeignSide implements Side {
  #pools: readonly number[] = [];
  #cpu = 0;

  private constructor(
    readonly name: string,
    readonly shortName: string,
    private readonly peers: readonly [GoPeer, GoPeer],
    private readonly files: Files,
  ) {}

  /** `what` sets it apart from others of its kind. */
  static async start(
    files: Files,
    env: Readonly<Record<string, string>>,
    what: string,
  ): Promise<ForeignSide> {
    const peers = [await GoPeer.start({ env }), await GoPeer.start({ env })] as const;
    const { name, library, go } = await peers[0].hello();
    const told = [name, library, go].filter(Boolean).join(', ');
    return new ForeignSide(told + what, name + what, peers, files);
  }

  async open(): Promise<void> {
    const [server, client] = this.peers;
    const { pool: serverPool, port } = await server.request<{ pool: number; port: number }>('server', {
      capacity: CAPACITY,
      ...this.files,
    });
    const { pool: clientPool } = await client.request<{ pool: number }>('client', {
      capacity: CAPACITY,
      address: `127.0.0.1:${port}`,
      tls: '1',
      interval: INTERVALS[1],
    });
    this.#pools = [serverPool, clientPool];
    await this.#askBoth('churn', { loops: LOOPS, bytes: BYTES, timeout: GET_TIMEOUT });
    this.#cpu = this.#cpuSoFar();
  }

  async tally(): Promise<Tally> {
    const [tally] = (await this.#askBoth<Omit<Tally, 'cpu'>>('tally')) as [Omit<Tally, 'cpu'>];
    const before = this.#cpu;
    this.#cpu = this.#cpuSoFar();
    return { ...tally, cpu: this.#cpu - before };
  }

  async close(): Promise<void> {
    await this.#askBoth('close');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.peers.map((peer) => peer[Symbol.asyncDispose]()));
  }

  #askBoth<T = object>(what: string, fields: object = {}): Promise<T[]> {
    const asked = this.peers.map((peer, i) => peer.request<T>(what, { pool: this.#pools[i], ...fields }));
    return Promise.all(asked);
  }

  #cpuSoFar(): number {
    return this.peers.reduce((sum, { pid }) => sum + cpuOf(pid), 0);
  }
}

/** The CPU time that another process has had, in milliseconds. NaN where there is no `/proc`. */
function cpuOf(pid: number): number {
  if (process.platform !== 'linux') return NaN;
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // Behind the program's name, which may hold anything.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [utime, stime] = fields.slice(11, 13).map(Number);
  return (((utime ?? NaN) + (stime ?? NaN)) / TICKS) * 1000;
}
