import { setTimeout as sleep } from 'node:timers/promises';
import { CONTROL_ID, type PoolConnection, type PoolService } from 'nestjs-npws';

/** How long to look for a connection that the other end has named, in milliseconds. */
const PATIENCE = 5_000;

/** The end that takes any idle connection, and names it to the other end over the control connection. */
export class Caller {
  readonly #stopped = new AbortController();
  #control: PoolConnection | undefined;
  #coming: Promise<void> | undefined;

  constructor(readonly pool: PoolService) {}

  /** Whether a call would be heard now. */
  get isReady(): boolean {
    return this.#control !== undefined && this.pool.ready();
  }

  /** Takes the control connection, now and whenever it was lost. */
  start(): void {
    const { signal } = this.#stopped;
    this.#coming = this.pool.outgoingGet(CONTROL_ID, { timeout: Infinity, signal }).then((control) => {
      // The other end says nothing here; reading is what shows its end, which is ours too.
      control.allowHalfOpen = false;
      this.#control = control.resume();
      control.once('close', () => {
        this.#control = undefined;
        this.start();
      });
    });
    this.#coming.catch(() => undefined); // shutting down
  }

  /** Resolves when calls are heard; rejects when nobody hears them within so many milliseconds. */
  async whenReady(wait = 30_000): Promise<void> {
    const deadline = new AbortController();
    const late = sleep(wait, undefined, { signal: deadline.signal }).then(() => {
      throw new Error(`nobody came to the other end of '${this.pool.name}' within ${wait} ms`);
    });
    try {
      await Promise.race([this.pool.whenReady(wait).then(() => this.#coming), late]);
    } finally {
      deadline.abort();
      late.catch(() => undefined);
    }
  }

  /** Names nothing more. What is under way goes on. */
  stop(): void {
    this.#stopped.abort();
    this.#control?.end();
  }

  /** A connection that the other end takes, too. Rejects when there is none, or nobody to hear of it. */
  async call(signal: AbortSignal): Promise<PoolConnection> {
    const connection = await this.pool.incomingGet({ signal });
    if (!this.#control) {
      connection.destroy();
      throw new Error(`nobody is at the other end of '${this.pool.name}'`);
    }
    this.#control.write(Buffer.from(connection.id, 'hex'));
    return connection;
  }
}

/** The end that hears: takes each connection that the other end names, until `signal` is aborted. */
export async function answerCalls(
  pool: PoolService,
  signal: AbortSignal,
  serve: (connection: PoolConnection) => void,
): Promise<void> {
  for await (const id of namedIds(pool, signal)) {
    // What can't be taken has been given up by the caller.
    pool.outgoingGet(id, PATIENCE).then(serve, () => undefined);
  }
}

/**
 * The IDs that the other end names, over one control connection after the other, until `signal` is aborted. `tell` hears
 * whether there is one.
 */
export async function* namedIds(
  pool: PoolService,
  signal: AbortSignal,
  tell: (isUp: boolean) => void = () => undefined,
): AsyncGenerator<string> {
  for (;;) {
    let control: PoolConnection;
    try {
      control = await pool.outgoingGet(CONTROL_ID, { timeout: Infinity, signal });
    } catch {
      return; // shutting down
    }
    tell(true);
    control.allowHalfOpen = false; // when the caller ends it, it is over
    const hangUp = (): void => void control.end();
    signal.addEventListener('abort', hangUp);
    try {
      yield* idsFrom(control);
    } catch {
      // Cut: the next one tells whether the caller is there.
    }
    signal.removeEventListener('abort', hangUp);
    if (!signal.aborted) tell(false);
  }
}

/** 4 bytes each, one behind the other, however they come. */
async function* idsFrom(control: PoolConnection): AsyncGenerator<string> {
  let bytes = Buffer.alloc(0);
  for await (const chunk of control) {
    bytes = Buffer.concat([bytes, chunk]);
    for (; bytes.length >= 4; bytes = bytes.subarray(4)) yield bytes.toString('hex', 0, 4);
  }
}
