import { Worker } from 'node:worker_threads';

/** How long the event loop may be stuck in one place, in milliseconds. */
const STUCK = 10_000;

/** Kills a process that loops for ever, which no timer of its own could notice. */
export class Watchdog {
  readonly #signs = new Int32Array(new SharedArrayBuffer(8));
  readonly #worker = new Worker(`
    const { workerData: signs } = require('node:worker_threads');
    let before = -1;
    setInterval(() => {
      const now = Atomics.load(signs, 0);
      if (now === before) {
        require('node:fs').writeSync(2, 'STUCK: no sign of life for ${STUCK} ms, near input ' + Atomics.load(signs, 1) + '\\n');
        process.kill(process.pid, 'SIGKILL');
      }
      before = now;
    }, ${STUCK});
  `, { eval: true, execArgv: [], workerData: this.#signs }); // prettier-ignore
  readonly #timer = setInterval(() => Atomics.add(this.#signs, 0, 1), 1_000);

  constructor() {
    this.#worker.unref();
  }

  /** Names the input that has just begun. */
  at(index: number): void {
    Atomics.store(this.#signs, 1, index);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#worker.terminate();
  }
}
