import { readFileSync } from 'node:fs';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import type { Profiler } from 'node:inspector';
import { Session } from 'node:inspector/promises';
import { memoryInUse } from '../support/memory.js';
import { type EndName, fileOf } from './build.js';

/** What a process has used. */
export interface Usage {
  /** CPU time so far, in milliseconds; NaN where it can't be known. */
  readonly cpu: number;
  /** Resident memory, in bytes; NaN where it can't be known. */
  readonly memory: number;
}

/** A process whose needs are measured. */
export interface Measured {
  /** What it has used; garbage is collected first if asked for. */
  usage(collect?: boolean): Promise<Usage>;
}

/** What a child can be asked, by name. Arguments and answers are copied from process to process. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type Handlers = Record<string, (...args: any[]) => unknown>;

interface Question {
  readonly number: number;
  readonly name: string;
  readonly args: readonly unknown[];
}

interface Answer {
  readonly number: number;
  readonly value?: unknown;
  readonly error?: string;
}

const profiler = new Session();

/** What every child can be asked. */
const COMMON = {
  async usage(collect: boolean): Promise<Usage> {
    const { rss } = collect ? await memoryInUse() : process.memoryUsage();
    const { user, system } = process.cpuUsage();
    return { cpu: (user + system) / 1000, memory: rss };
  },
  async startProfile(): Promise<void> {
    profiler.connect();
    await profiler.post('Profiler.enable');
    await profiler.post('Profiler.setSamplingInterval', { interval: 200 });
    await profiler.post('Profiler.start');
  },
  async stopProfile(): Promise<object> {
    const { profile } = await profiler.post('Profiler.stop');
    profiler.disconnect();
    return profile;
  },
};

/** In a child: answers its parent with these until that is gone, then ends the process. */
export function serve(handlers: Handlers): void {
  const all: Handlers = { ...COMMON, ...handlers };
  process.on('message', ({ number, name, args }: Question) => {
    Promise.resolve()
      .then(() => all[name]?.(...args))
      .then(
        (value): Answer => ({ number, value }),
        (error: unknown): Answer => ({
          number,
          error: error instanceof Error ? error.message : String(error),
        }),
      )
      .then((answer) => process.send?.(answer))
      .catch(() => undefined);
  });
  process.on('disconnect', () => process.exit());
}

/** The parent's side of a process that runs `serve` with handlers of type `H`. */
export class Child<H extends Handlers> implements Measured, AsyncDisposable {
  readonly #process;
  readonly #gone: Promise<unknown>;
  #last = 0;

  constructor(end: EndName) {
    // Without the options of this process: no loader.
    this.#process = fork(fileOf(end), { serialization: 'advanced', execArgv: [] });
    this.#process.setMaxListeners(0);
    this.#gone = once(this.#process, 'exit');
  }

  /** What can be profiled. */
  get children(): { readonly process: Child<H> } {
    return { process: this };
  }

  /** Rejects with what the handler throws, or when the process is gone. */
  ask<K extends keyof H & string>(name: K, ...args: Parameters<H[K]>): Promise<Awaited<ReturnType<H[K]>>> {
    return this.#ask(name, args) as Promise<Awaited<ReturnType<H[K]>>>;
  }

  usage(collect = false): Promise<Usage> {
    return this.#ask('usage', [collect]) as Promise<Usage>;
  }

  async startProfile(): Promise<void> {
    await this.#ask('startProfile', []);
  }

  stopProfile(): Promise<Profiler.Profile> {
    return this.#ask('stopProfile', []) as Promise<Profiler.Profile>;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.connected) this.#process.disconnect();
    await this.#gone;
  }

  #ask(name: string, args: readonly unknown[]): Promise<unknown> {
    const number = ++this.#last;
    return new Promise((resolve, reject) => {
      const settle = (answer: Answer): void => {
        if (answer.number !== number) return;
        this.#process.off('message', settle);
        if (answer.error === undefined) resolve(answer.value);
        else reject(new Error(`${name}: ${answer.error}`));
      };
      this.#process.on('message', settle);
      void this.#gone.then(() => {
        reject(new Error(`${name}: the process is gone`));
      });
      this.#process.send({ number, name, args } satisfies Question);
    });
  }
}

/** Does some work; the CPU time that these have used together meanwhile, in milliseconds, and what came of the work. */
export async function cpuDuring<T>(
  ends: readonly Measured[],
  work: () => Promise<T>,
): Promise<{ cpu: number; result: T }> {
  const total = async (): Promise<number> => {
    const usages = await Promise.all(ends.map((end) => end.usage()));
    return usages.reduce((sum, { cpu }) => sum + cpu, 0);
  };
  const before = await total();
  const result = await work();
  return { cpu: (await total()) - before, result };
}

/** Clock ticks a second and bytes of a page in `/proc`: what Linux tells programs. */
const TICKS = 100;
const PAGE = 4_096;

/** What another process has used. NaN where there is no `/proc`. */
export function usageOf(pid: number): Usage {
  if (process.platform !== 'linux') return { cpu: NaN, memory: NaN };
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // Behind the program's name, which may hold anything.
  const fields = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  const [utime = NaN, stime = NaN] = fields.slice(11, 13);
  return { cpu: ((utime + stime) / TICKS) * 1000, memory: (fields[21] ?? NaN) * PAGE };
}
