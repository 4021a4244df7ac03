/** Runs a step and returns what it returns. */
export type Step = <T>(name: string, work: () => T | Promise<T>) => Promise<T>;

/** Chapters of steps, several of which may run at once; prints how long each step took. */
export class Steps {
  #failed = false;

  /** Whether a step failed. */
  get failed(): boolean {
    return this.#failed;
  }

  /** Runs several steps that need each other: the first that fails is told, the rest are left out. */
  async chapter(title: string, steps: (step: Step) => Promise<void>): Promise<void> {
    try {
      await steps((name, work) => runStep(`${title.padEnd(14)} ${name}`, work));
    } catch (error) {
      this.#failed = true;
      console.error(`${title}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}

async function runStep<T>(name: string, work: () => T | Promise<T>): Promise<T> {
  const start = performance.now();
  let result = 'FAILED';
  try {
    const value = await work();
    result = 'ok';
    return value;
  } finally {
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    console.log(`${seconds.padStart(6)} s  ${result.padEnd(6)}  ${name}`);
  }
}
