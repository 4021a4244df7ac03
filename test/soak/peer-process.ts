import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { compile, compiledIn } from '../support/compile.js';
import type { Look, Order, Setup, Told } from './orders.js';

const PEER = new URL('peer.mjs', compiledIn('soak'));

/** How long a peer may take to start, to tell how it is, or to end when its pools are closed, in milliseconds. */
const PATIENCE = 30_000;

/** Compiles what peers run. */
export async function buildPeer(): Promise<void> {
  await compile('soak', { peer: new URL('peer.ts', import.meta.url) });
}

/** A peer, from its start to its own end. */
export class PeerProcess {
  readonly role: Setup['role'];
  /** Where a server listens, by lane; known when it has started. */
  ports: readonly number[] = [];
  readonly #child: ChildProcess;
  readonly #gone: Promise<unknown>;

  /** `taken` hears of each connection that an application there has taken. */
  constructor(
    private readonly setup: Setup,
    taken: (told: Extract<Told, { is: 'taken' }>) => void,
  ) {
    this.role = setup.role;
    this.#child = fork(PEER, { execArgv: ['--enable-source-maps', '--expose-gc'] });
    this.#gone = once(this.#child, 'exit');
    this.#child.on('message', (told: Told) => {
      if (told.is === 'taken') taken(told);
    });
  }

  async start(): Promise<void> {
    this.#child.send(this.setup, () => undefined);
    this.ports = (await this.#hear('ready')).ports;
  }

  send(order: Order): void {
    if (this.#child.connected) this.#child.send(order, () => undefined);
  }

  async look(): Promise<Look> {
    this.send({ do: 'look' });
    return (await this.#hear('look')).look;
  }

  /** Has it close its pools and end by itself. What was wrong with that. */
  async close(): Promise<readonly string[]> {
    this.send({ do: 'close' });
    const { problems } = await this.#hear('closed');
    const late = setTimeout(() => this.#child.kill('SIGKILL'), PATIENCE);
    await this.#gone;
    clearTimeout(late);
    const { exitCode, signalCode } = this.#child;
    if (signalCode === 'SIGKILL')
      return [...problems, `${this.role}: does not end by itself within ${PATIENCE} ms`];
    if (exitCode !== 0) return [...problems, `${this.role}: ended with ${exitCode ?? signalCode}`];
    return problems;
  }

  /** Ends it whatever it does. */
  kill(): void {
    this.#child.kill('SIGKILL');
  }

  /** What it tells next of this kind. Rejects when it is gone, or tells nothing. */
  #hear<K extends Told['is']>(is: K): Promise<Extract<Told, { is: K }>> {
    return new Promise((resolve, reject) => {
      const child = this.#child;
      const stop = (): void => {
        clearTimeout(late);
        child.off('message', hear);
        child.off('exit', gone);
      };
      const hear = (told: Told): void => {
        if (told.is !== is) return;
        stop();
        resolve(told as Extract<Told, { is: K }>);
      };
      const gone = (): void => {
        stop();
        reject(new Error(`${this.role}: ended with ${child.exitCode ?? child.signalCode}, unasked`));
      };
      const late = setTimeout(() => {
        stop();
        reject(new Error(`${this.role}: tells nothing (${is}) within ${PATIENCE} ms`));
      }, PATIENCE);
      child.on('message', hear);
      child.on('exit', gone);
    });
  }
}
