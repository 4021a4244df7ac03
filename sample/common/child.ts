import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** How long a process may take to stop before it is killed, in milliseconds. */
const PATIENCE = 30_000;

/** Where a process can be reached, and the like; told to whoever started it. */
export type Told = Readonly<Record<string, string | number>>;

/** A part of a sample in a process of its own, which can be ended and come back. */
export class Child {
  #process: ChildProcess | undefined;
  #told: Told = {};
  #onLost: (() => void) | undefined;

  constructor(
    readonly name: string,
    private readonly file: URL,
    /** Its environment, beside that of this process; asked at each start. */
    private readonly env: () => Told,
  ) {}

  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  /** Starts the process and waits until it says that it is up. */
  async start(): Promise<void> {
    const env = Object.entries(this.env()).map(([key, value]): [string, string] => [key, String(value)]);
    // Detached: a Ctrl-C is for us alone, who stop the processes in a good order.
    const child = fork(fileURLToPath(this.file), {
      env: { ...process.env, ...Object.fromEntries(env) },
      execArgv: ['--import', '@swc-node/register/esm-register'],
      detached: true,
    });
    this.#process = child;
    const failed = once(child, 'exit').then(() => {
      throw new Error(`${this.name} stopped before it was up (exit code ${child.exitCode})`);
    });
    const [told] = (await Promise.race([once(child, 'message'), failed])) as [Told];
    failed.catch(() => undefined);
    this.#told = told;
    child.once('exit', () => {
      if (this.#process === child) this.#onLost?.();
    });
  }

  /** Something that the process told when it was up. */
  told(name: string): string {
    return String(this.#told[name]);
  }

  /** Starts the process again whenever it ends although nobody here asked it to, as a service manager would. */
  supervise(): void {
    this.#onLost = () => {
      console.log(`${this.name} is gone: starting it again`);
      this.start().catch((error: unknown) => {
        console.error(error);
      });
    };
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
    const child = this.#process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    this.#process = undefined;
    const exited = once(child, 'exit');
    child.kill(signal);
    const timer = setTimeout(() => child.kill('SIGKILL'), PATIENCE);
    await exited;
    clearTimeout(timer);
  }
}

/** In a child: tells whoever started this process that all is up, and stops when that one is gone. */
export function announce(told: Told, stop: () => Promise<void>): void {
  if (!process.send) return;
  process.send(told);
  process.once('disconnect', () => {
    void stop().finally(() => process.exit());
  });
}
