import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { obstacleUnless } from '../support/obstacle.js';
import { goPeerProgram } from './go-build.js';
import { ProgramPool, type PoolAnswer } from './program-pool.js';
import type { Peer, PeerClientOptions, PeerServerOptions } from './peer.js';

export type { ProgramConnection, ProgramPool } from './program-pool.js';

/** How a peer's process is started. */
export interface PeerProcessOptions {
  /** The program and its arguments. Default: INTEROP_PEER, or else the Go peer, built when need be. */
  command?: readonly string[];
  /** What stands before the command, such as `ip netns exec NAME`. */
  prefix?: readonly string[];
  /** A file with the only authorities that its clients trust. */
  ca?: string;
  env?: Readonly<Record<string, string>>;
}

/** The peer cannot do what it was asked: what depends on it did not run. */
export class UnsupportedError extends Error {}

/** Who a peer is. */
export interface PeerInfo {
  name: string;
  library: string;
  go?: string;
}

/** Why no foreign peer can be run here, or null. */
export function obstacleToPeer(): string | null {
  if (process.env['INTEROP_PEER']) return null;
  return obstacleUnless(['go', 'version'], 'there is no Go toolchain');
}

/** A peer in a process of its own, driven by lines of JSON (see README.md). `await using` ends it. */
export class PeerProgram implements Peer, AsyncDisposable {
  #child: ChildProcess;
  #lastId = 0;
  readonly #pending = new Map<
    number,
    { resolve: (answer: unknown) => void; reject: (error: Error) => void }
  >();

  private constructor(
    private readonly command: readonly string[],
    private readonly env: NodeJS.ProcessEnv,
  ) {
    this.#child = this.#spawn();
  }

  static async start(options: PeerProcessOptions = {}): Promise<PeerProgram> {
    const { prefix = [], ca, env = {} } = options;
    const named = process.env['INTEROP_PEER'];
    const command = options.command ?? (named ? [named] : [await goPeerProgram()]);
    const trust = ca ? { SSL_CERT_FILE: ca, SSL_CERT_DIR: '/nonexistent' } : {};
    const peer = new PeerProgram([...prefix, ...command], { ...process.env, ...trust, ...env });
    await peer.hello();
    return peer;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Who answers. */
  hello(): Promise<PeerInfo> {
    return this.request<PeerInfo>('hello');
  }

  async server(options: PeerServerOptions): Promise<ProgramPool> {
    return new ProgramPool(this, await this.request<PoolAnswer>('server', options));
  }

  async client(options: PeerClientOptions): Promise<ProgramPool> {
    return new ProgramPool(this, await this.request<PoolAnswer>('client', { interval: 10, ...options }));
  }

  /** Sends one line and resolves with its answer. Rejects when the peer says error, or is gone. */
  request<T = object>(what: string, fields: object = {}): Promise<T> {
    const id = ++this.#lastId;
    return new Promise<T>((resolve, reject) => {
      if (!this.#isRunning()) {
        reject(new Error('the peer is gone'));
        return;
      }
      this.#pending.set(id, { resolve: resolve as (answer: unknown) => void, reject });
      this.#child.stdin?.write(`${JSON.stringify({ id, do: what, ...fields })}\n`);
    });
  }

  /** Sends a signal and, if it ends the process, resolves when it is gone. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    if (!this.#isRunning()) return;
    const gone = once(this.#child, 'close');
    this.#child.kill(signal);
    if (signal !== 'SIGSTOP' && signal !== 'SIGCONT') await gone;
  }

  /** Kills the process and starts it anew, without any pool. */
  async restart(): Promise<void> {
    await this.kill();
    this.#child = this.#spawn();
    await this.hello();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isRunning()) return;
    const gone = once(this.#child, 'close');
    this.#child.kill('SIGCONT');
    this.#child.stdin?.end();
    await gone;
  }

  #isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  #spawn(): ChildProcess {
    const [program = '', ...args] = this.command;
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'], env: this.env });
    const fail = (error: Error): void => {
      for (const { reject } of this.#pending.values()) reject(error);
      this.#pending.clear();
    };
    child.on('error', fail);
    child.stdin.on('error', () => undefined); // it died; 'close' tells
    child.on('close', () => {
      fail(new Error('the peer is gone'));
    });
    createInterface(child.stdout).on('line', (line) => {
      this.#answer(line);
    });
    return child;
  }

  #answer(line: string): void {
    const answer = JSON.parse(line) as { id: number; error?: string };
    const pending = this.#pending.get(answer.id);
    this.#pending.delete(answer.id);
    if (answer.error === undefined) pending?.resolve(answer);
    else if (answer.error === 'unsupported')
      pending?.reject(new UnsupportedError('unsupported by this peer'));
    else pending?.reject(new Error(`the peer says: ${answer.error}`));
  }
}
