import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { compile, compiledIn } from '../support/compile.js';
import type { Victim } from './faults.js';
import type { Order, Setup, Told } from './orders.js';

const PEER = new URL('peer.mjs', compiledIn('ledger'));

/** How long a peer may take to start, or to end when it was asked to, in milliseconds. */
const PATIENCE = 20_000;

/** Compiles what peers run. */
export async function buildPeer(): Promise<void> {
  await compile('ledger', { peer: new URL('peer.ts', import.meta.url) });
}

/** A peer that is started again whenever it ends, until `finish`. */
export class PeerProcess implements Victim {
  /** What went wrong with it. */
  readonly problems: string[] = [];
  /** Resolves when it is there for the first time. */
  readonly ready: Promise<unknown>;
  #child: ChildProcess | null = null;
  #isReady = false;
  #isStopped = false;
  #isOver = false;
  #why: 'SIGKILL' | 'SIGTERM' | null = null;

  constructor(
    private readonly setup: () => Setup,
    private readonly told: (told: Told) => void,
  ) {
    this.ready = this.#start();
  }

  send(order: Order): boolean {
    if (!this.#isReady || !this.#child?.connected) return false;
    // It may be killed before it has read this.
    this.#child.send(order, () => undefined);
    return true;
  }

  stop(ms: number): boolean {
    const child = this.#child;
    if (!this.#isReady || this.#isStopped || this.#why || !child) return false;
    this.#isStopped = true;
    child.kill('SIGSTOP');
    setTimeout(() => {
      this.#isStopped = false;
      child.kill('SIGCONT');
    }, ms);
    return true;
  }

  end(signal: 'SIGKILL' | 'SIGTERM'): boolean {
    if (!this.#isReady || this.#isStopped || this.#why) return false;
    this.#why = signal;
    this.#child?.kill(signal);
    return true;
  }

  /** Lets it end all that it has, and then itself. */
  async finish(): Promise<void> {
    await this.ready;
    this.#isOver = true;
    const child = this.#child;
    if (!child || child.exitCode !== null) return;
    const exit = once(child, 'exit', { signal: AbortSignal.timeout(PATIENCE) });
    this.#why = 'SIGTERM';
    child.kill('SIGTERM');
    await exit.catch(() => {
      this.problems.push(`${this.setup().role}: does not end by itself within ${PATIENCE} ms`);
      child.kill('SIGKILL');
    });
  }

  async #start(): Promise<void> {
    const setup = this.setup();
    const child = fork(PEER, { execArgv: ['--enable-source-maps'] });
    this.#child = child;
    child.once('exit', (code, signal) => {
      this.#ended(setup, code, signal);
    });
    child.send(setup, () => undefined);
    await new Promise<void>((resolve) => {
      child.on('message', (told: Told) => {
        if (told.is === 'ready') {
          this.#isReady = true;
          resolve();
        }
        this.told(told);
      });
      child.once('exit', () => {
        resolve();
      });
    });
  }

  #ended({ role }: Setup, code: number | null, signal: string | null): void {
    const why = this.#why;
    const isExpected = why === 'SIGKILL' ? signal === why : why === 'SIGTERM' && code === 0;
    if (!isExpected) this.problems.push(`${role}: ended with ${code ?? signal}, ${why ?? 'unasked'}`);
    this.#isReady = false;
    this.#isStopped = false;
    this.#why = null;
    if (!this.#isOver) void this.#start();
  }
}
