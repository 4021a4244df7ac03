/** Runs steps one after the other and prints how long each took. */
export class Steps {
  #failed = false;

  /** Whether a step failed. */
  get failed(): boolean {
    return this.#failed;
  }

  /** Runs several steps that need each other: the first that fails is told, the rest are left out. */
  async chapter(title: string, steps: () => Promise<void>): Promise<void> {
    console.log(`\n# ${title}`);
    try {
      await steps();
    } catch (error) {
      this.#failed = true;
      console.error(error instanceof Error ? error.message : error);
    }
  }

  /** Runs one step and returns what it returns. */
  async step<T>(name: string, work: () => T | Promise<T>): Promise<T> {
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
}
