/** Collects what is thrown by microtasks, in place of the process, which would end. `using` gives it back. */
export class Uncaught implements Disposable {
  readonly errors: unknown[] = [];
  readonly #queueMicrotask = globalThis.queueMicrotask;

  constructor() {
    globalThis.queueMicrotask = (callback) => {
      this.#queueMicrotask(() => {
        try {
          callback();
        } catch (error) {
          this.errors.push(error);
        }
      });
    };
  }

  [Symbol.dispose](): void {
    globalThis.queueMicrotask = this.#queueMicrotask;
  }
}
