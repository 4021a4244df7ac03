import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { Ready } from './settings.js';

/** How long a process may take to come up, and to stop before it is killed, in milliseconds. */
const PATIENCE = 30_000;

/** One process of this sample. */
export class Process {
  #child: ChildProcess | undefined;
  #ready: Ready = {};
  #onLost: (() => void) | undefined;

  constructor(
    readonly name: 'private' | 'public' | 'edge',
    private readonly env: () => Readonly<Record<string, string | number>>,
  ) {}

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** Starts the process and waits until it says that it is up. */
  async start(): Promise<void> {
    const file = fileURLToPath(new URL(`${this.name}.ts`, import.meta.url));
    const env = Object.entries(this.env()).map(([key, value]): [string, string] => [key, String(value)]);
    // Detached: a Ctrl-C is for us alone, who stop the processes in a good order.
    const child = fork(file, {
      env: { ...process.env, ...Object.fromEntries(env) },
      execArgv: ['--import', '@swc-node/register/esm-register'],
      detached: true,
    });
    this.#child = child;
    const failed = once(child, 'exit').then(() => {
      throw new Error(`the ${this.name} process stopped before it was up (exit code ${child.exitCode})`);
    });
    const [ready] = (await Promise.race([once(child, 'message'), failed])) as [Ready];
    failed.catch(() => undefined);
    this.#ready = ready;
    child.once('exit', () => {
      if (this.#child === child) this.#onLost?.();
    });
  }

  /** Something that the process told when it was up; `fallback` before that. */
  told(name: string, fallback: string | number = ''): string {
    return String(this.#ready[name] ?? fallback);
  }

  /** Calls back when the process ends although nobody here asked it to. */
  onLost(callback: () => void): void {
    this.#onLost = callback;
  }

  /** Asks the process to stop and waits until it has. */
  async stop(): Promise<void> {
    await this.#end('SIGTERM');
  }

  /** Ends the process without a chance to say goodbye. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    this.#child = undefined;
    const exited = once(child, 'exit');
    child.kill(signal);
    const timer = setTimeout(() => child.kill('SIGKILL'), PATIENCE);
    await exited;
    clearTimeout(timer);
  }
}

/** `preferred` if nobody listens there, else 0: a free port is taken. */
export async function portOr0(preferred: number): Promise<number> {
  const probe = createServer().listen(preferred, '127.0.0.1');
  try {
    await once(probe, 'listening');
    return preferred;
  } catch {
    return 0;
  } finally {
    probe.close();
  }
}
