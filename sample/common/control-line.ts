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

  /** Resolves when calls are heard; rejects with what failed when that takes too long. */
  async whenReady(): Promise<void> {
    await this.pool.whenReady();
    await this.#coming;
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
  for (;;) {
    let control: PoolConnection;
    try {
      control = await pool.outgoingGet(CONTROL_ID, { timeout: Infinity, signal });
    } catch {
      return; // shutting down
    }
    control.allowHalfOpen = false; // when the caller ends it, it is over
    const hangUp = (): void => void control.end();
    signal.addEventListener('abort', hangUp);
    try {
      for await (const id of controlIds(control)) {
        // What can't be taken has been given up by the caller.
        pool.outgoingGet(id, PATIENCE).then(serve, () => undefined);
      }
    } catch {
      // Cut: the next one tells whether the caller is there.
    }
    signal.removeEventListener('abort', hangUp);
  }
}

/** The IDs that a control connection carries: 4 bytes each, one behind the other. */
export async function* controlIds(control: PoolConnection): AsyncGenerator<string> {
  let bytes = Buffer.alloc(0);
  for await (const chunk of control) {
    bytes = Buffer.concat([bytes, chunk]);
    for (; bytes.length >= 4; bytes = bytes.subarray(4)) yield bytes.toString('hex', 0, 4);
  }
}
