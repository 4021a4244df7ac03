import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/** How long a process may take to stop before it is killed, in milliseconds. */
const PATIENCE = 30_000;

/** The pause before a process that did not come up is tried again, in milliseconds. */
const PAUSE = 1_000;

/** Where a process can be reached, and the like; told to whoever started it. */
export type Told = Readonly<Record<string, string | number>>;

/** A part of a sample in a process of its own, which can be ended and come back. */
export class Child {
  #process: ChildProcess | undefined;
  #told: Told = {};
  #isSupervised = false;

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
    this.#told = told;
    child.once('exit', () => {
      if (this.#isWanted() && this.#process === child) void this.#revive();
    });
  }

  /** Something that the process told when it was up. */
  told(name: string): string {
    const value = this.#told[name];
    if (value === undefined) throw new Error(`${this.name} has told no ${name}`);
    return String(value);
  }

  /** Starts the process again whenever it ends although nobody here asked it to, as a service manager would. */
  supervise(): void {
    this.#isSupervised = true;
  }

  /** Asks the process to stop and waits until it has. */
  async stop(): Promise<void> {
    await this.#end('SIGTERM');
  }

  /** Ends the process without a chance to say goodbye. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** Whether it is to run, and to be brought back: nobody has asked it to stop. */
  #isWanted(): boolean {
    return this.#isSupervised && this.#process !== undefined;
  }

  async #revive(): Promise<void> {
    console.log(`${this.name} is gone: starting it again`);
    while (this.#isWanted()) {
      try {
        await this.start();
        return;
      } catch (error) {
        if (!this.#isWanted()) return;
        console.error((error as Error).message);
        await sleep(PAUSE);
      }
    }
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
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
  const leave = (): void => void stop().finally(() => process.exit());
  if (!process.connected) {
    leave();
    return;
  }
  process.once('disconnect', leave);
  process.send(told);
}
