import { AgeList, AgeNode } from './age-list.js';
import type { Cancel, Clock } from './clock.js';
import type { ConnectionId } from './connection-id.js';
import { describe, NpwsOptionsError } from './errors.js';

/**
 * How long a caller waits: milliseconds, or those and a signal to give up by.
 * 0 takes only what is there, Infinity waits without limit.
 */
export type Wait =
  | number
  | {
      /** Milliseconds. Default: the pool's `acquireTimeout`. */
      readonly timeout?: number;
      /** Ends the wait when it is aborted. */
      readonly signal?: AbortSignal;
    };

/** A wait whose fields have been checked. */
export interface CheckedWait {
  readonly timeout: number;
  readonly signal: AbortSignal | undefined;
}

/** The longest time that Node's timers can wait, in milliseconds. */
export const MAX_TIMEOUT = 2 ** 31 - 1;

/**
 * Checks what a caller of `pool` passed as `wait` (untyped ones may pass null); `fallback` milliseconds where it names
 * no time.
 */
export function parseWait(pool: string, wait: Wait | null | undefined, fallback: number): CheckedWait {
  const { timeout = fallback, signal } =
    typeof wait === 'object' && wait !== null ? wait : { timeout: wait, signal: undefined };
  if (typeof timeout !== 'number' || !(timeout === Infinity || (timeout >= 0 && timeout <= MAX_TIMEOUT))) {
    throw new NpwsOptionsError(pool, [
      `wait: expected milliseconds from 0 to ${MAX_TIMEOUT} or Infinity, got ${describe(timeout)}`,
    ]);
  }
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new NpwsOptionsError(pool, [`wait.signal: expected an AbortSignal, got ${describe(signal)}`]);
  }
  return { timeout, signal };
}

/** Makes the errors of a wait that came to nothing. */
export interface WaitErrors {
  timedOut(): Error;
  aborted(reason: unknown): Error;
}

/** Throws when there is no time to wait, or its signal is aborted already. */
export function refuseToWait({ timeout, signal }: CheckedWait, errors: WaitErrors): void {
  if (signal?.aborted) throw errors.aborted(signal.reason);
  if (timeout === 0) throw errors.timedOut();
}

/** Somebody who waits. Settles exactly once and takes its timer and its abort listener along (I7). */
export class Waiter<T> {
  readonly promise: Promise<T>;
  #resolve!: (value: T) => void;
  #reject!: (error: Error) => void;
  readonly #stopTimer: Cancel | undefined;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort = (): void => {
    this.fail(this.errors.aborted(this.#signal?.reason));
  };

  /** `leave` is called at the first settling, whatever it is. */
  constructor(
    wait: CheckedWait,
    clock: Clock,
    private readonly errors: WaitErrors,
    private readonly leave: () => void,
  ) {
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    if (wait.timeout !== Infinity) {
      this.#stopTimer = clock.after(wait.timeout, () => {
        this.fail(errors.timedOut());
      });
    }
    this.#signal = wait.signal;
    this.#signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  succeed(value: T): void {
    this.#depart();
    this.#resolve(value);
  }

  fail(error: Error): void {
    this.#depart();
    this.#reject(error);
  }

  #depart(): void {
    this.#stopTimer?.();
    this.#signal?.removeEventListener('abort', this.#onAbort);
    this.leave();
  }
}

/** All who wait for a connection: those who named one by its ID, and the others in line. */
export class Waiters<T> {
  readonly #line = new AgeList<Waiter<T>>();
  readonly #named = new Map<ConnectionId, AgeList<Waiter<T>>>();
  #size = 0;

  constructor(private readonly clock: Clock) {}

  /** How many wait, named or not. */
  get size(): number {
    return this.#size;
  }

  /** How many wait for whichever connection comes next. */
  get inLine(): number {
    return this.#line.size;
  }

  isNamed(id: ConnectionId): boolean {
    return this.#named.has(id);
  }

  /** Waits for the connection `id`, or for the next one when `id` is undefined. */
  join(id: ConnectionId | undefined, wait: CheckedWait, errors: WaitErrors): Promise<T> {
    const list = id === undefined ? this.#line : this.#listOf(id);
    const waiter = new Waiter<T>(wait, this.clock, errors, () => {
      list.remove(node);
      if (id !== undefined && list.size === 0) this.#named.delete(id);
      this.#size--;
    });
    const node = new AgeNode(waiter);
    list.push(node);
    this.#size++;
    return waiter.promise;
  }

  /** Who gets the connection `id`: one who named it has no other chance and comes first (I4). */
  claimant(id: ConnectionId, isForAnyone: boolean): Waiter<T> | undefined {
    const node = this.#named.get(id)?.oldest ?? (isForAnyone ? this.#line.oldest : null);
    return node?.value;
  }

  /** Turns everybody away. */
  failAll(error: Error): void {
    for (const list of [this.#line, ...this.#named.values()]) {
      for (const waiter of list.values()) waiter.fail(error);
    }
  }

  #listOf(id: ConnectionId): AgeList<Waiter<T>> {
    let list = this.#named.get(id);
    if (!list) {
      list = new AgeList();
      this.#named.set(id, list);
    }
    return list;
  }
}
