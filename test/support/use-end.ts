import { EventEmitter } from 'node:events';
import type { PoolConnection } from 'nestjs-npws';
import type { PoolRole } from '../../lib/core/errors.js';
import { seededBytes } from './seeded-bytes.js';
import type { WatchedSocket } from './use-lanes.js';

/** How an end reads: a late one when both have ended or nothing else moves, and 'never' is destroyed then instead. */
export const READINGS = [
  'flow',
  'with pauses',
  'in pieces',
  'iterate',
  'late',
  'late, paused',
  'never',
] as const;
type Reading = (typeof READINGS)[number];

export const ABORTS = [
  'after turns',
  'at first bytes',
  'behind end()',
  'in finish',
  'in end',
  'after both ends',
] as const;

/** What is done to a connection whose use is over. */
export const LATE_CALLS = {
  write: (old) => old.write('late'),
  end: (old) => old.end('late'),
  resume: (old) => old.resume(),
  pause: (old) => old.pause(),
  read: (old) => old.read(),
  listen: (old) => old.on('data', () => undefined).on('readable', () => undefined),
  destroy: (old) => old.destroy(),
  destroyWithError: (old) => old.destroy(new Error('late')),
  setTimeout: (old) => old.setTimeout(30),
  setNoDelay: (old) => old.setNoDelay(false),
  setKeepAlive: (old) => old.setKeepAlive(false),
  ref: (old) => old.ref(),
  unref: (old) => old.unref(),
} as const satisfies Record<string, (old: PoolConnection) => unknown>;

export type LateCall = keyof typeof LATE_CALLS;

/** Those that leave the unread bytes of an old connection alone. */
const SETTINGS: readonly LateCall[] = ['setTimeout', 'setNoDelay', 'setKeepAlive', 'ref', 'unref'];

/** What one end does with its use. Waits are in turns of the event loop. */
export interface EndPlan {
  /** How many bytes each. */
  readonly writes: readonly number[];
  /** The wait before each write. */
  readonly pause: number;
  /** Whether it waits until a write is out, and uses its memory again then. */
  readonly isPatientWriter: boolean;
  /** Whether it ends no sooner than it has read its peer's end. Not for the end that took first: one has to begin. */
  readonly answers: boolean;
  readonly reads: Reading;
  /** How long a late reader holds out behind both ends; for others, how long they pause or how much they read at once. */
  readonly patience: number;
  readonly aborts: {
    readonly when: (typeof ABORTS)[number];
    readonly after: number;
    readonly hasError: boolean;
  } | null;
  /** Whether it asks for a time-out and changes the settings of the socket. */
  readonly isParticular: boolean;
  /** What it does when the use is over, and how much later. */
  readonly late: readonly LateCall[];
  readonly lateBy: number;
}

/** What an end knows of the run that it is part of. */
export interface EndSurroundings {
  /** Tells that something moves. */
  moved(): void;
  count(
    what: 'aborts' | 'abortsBehindBoth' | 'bytes' | 'lateCalls' | 'particular' | 'slow',
    by?: number,
  ): void;
  problem(what: string): void;
  /** Whose bytes these are, if they are anybody's. */
  ownerOf(bytes: Buffer): string | undefined;
  /** Has the run wait for this. */
  track(task: Promise<unknown>): void;
  turns(count: number): Promise<void>;
  /** One turn, for who waits for something to happen. */
  next(): Promise<void>;
  /** Calls back once both ends have sent their FIN. */
  whenBothFinished(end: UseEnd, then: () => void): void;
  finished(end: UseEnd): void;
  closed(end: UseEnd): void;
  /** The socket of an end's link, if it serves another use at this end by now. */
  socketOfNext(end: UseEnd): WatchedSocket | undefined;
}

/** One end of one use: does what is planned, and notes what comes of it. */
export class UseEnd {
  connection: PoolConnection | null = null;
  received = 0;
  sent = 0;
  ended = false;
  finished = false;
  closed = false;
  error: (Error & { code?: string }) | null = null;
  /** Whether it was broken before it could be read. */
  cameBroken = false;
  /** How it was destroyed: with what, and which ends had sent their FIN by then. */
  aborted: { readonly with: Error | null; readonly finished: boolean; readonly both: boolean } | null = null;
  /** Lets a late reader go on. */
  release: (() => void) | null = null;
  peer!: UseEnd;
  /** What happens to it that streams do not tell. */
  readonly #moments = new EventEmitter<{ bytes: []; ending: [] }>();
  #bytes: Buffer | undefined;
  #mayTimeOut = false;
  #writesOut = 0;

  constructor(
    readonly side: PoolRole,
    readonly name: string,
    readonly plan: EndPlan,
    private readonly isFirst: boolean,
    private readonly seed: number,
    private readonly run: EndSurroundings,
  ) {}

  /** All that it may send: no other end sends the same. */
  get bytes(): Buffer {
    const bytes = this.plan.writes.reduce((sum, size) => sum + size, 0);
    this.#bytes ??= Buffer.concat([...seededBytes({ bytes, seed: this.seed })]);
    return this.#bytes;
  }

  /** Whether every write was answered. */
  get isWriterDone(): boolean {
    return this.#writesOut === 0;
  }

  /** Whether it said all that it will. */
  get hasSaidAll(): boolean {
    return this.connection?.writableEnded ?? false;
  }

  /** Whether it reads as bytes come. */
  get isReader(): boolean {
    return !['late', 'late, paused', 'never'].includes(this.plan.reads);
  }

  take(connection: PoolConnection): void {
    const { plan, run } = this;
    this.connection = connection;
    this.ended = connection.readableEnded;
    this.error = connection.errored;
    this.cameBroken = connection.destroyed;
    this.#observe(connection);
    if (plan.isParticular) {
      run.count('particular');
      this.#mayTimeOut = true;
      connection.setTimeout(30).setNoDelay(false).setKeepAlive(false).unref();
    }
    this.#planAbort(connection);
    run.track(this.#read(connection));
    run.track(this.#write(connection));
  }

  /** Its link serves another use, and it is still there. */
  outlive(): void {
    if (!this.connection || this.closed) return;
    this.#mayTimeOut = true;
    for (const call of SETTINGS) this.#call(call, this.connection);
  }

  #observe(connection: PoolConnection): void {
    const { run } = this;
    for (const event of ['end', 'error', 'finish', 'timeout', 'drain'] as const) {
      connection.on(event, () => {
        run.moved();
        if (this.closed) run.problem(`${this.name}: '${event}' after 'close'`);
      });
    }
    connection.on('end', () => (this.ended = true));
    connection.on('error', (error) => (this.error = error));
    connection.on('timeout', () => {
      if (!this.#mayTimeOut) run.problem(`${this.name}: a time-out that it did not ask for`);
    });
    connection.on('finish', () => {
      this.finished = true;
      run.finished(this);
    });
    const closed = (): void => {
      this.closed = true;
      run.track(this.#callLate(connection));
      run.closed(this);
    };
    if (connection.closed) closed();
    else connection.on('close', closed);
  }

  #planAbort(connection: PoolConnection): void {
    if (!this.plan.aborts) return;
    const { when, after, hasError } = this.plan.aborts;
    const abort = (): void => {
      this.#destroy(connection, hasError ? new Error(`${this.name} gave up`) : null);
    };
    const abortLater = (): void => {
      this.run.track(this.run.turns(after).then(abort));
    };
    if (when === 'after turns') abortLater();
    else if (when === 'at first bytes') this.#moments.once('bytes', abort);
    else if (when === 'behind end()') this.#moments.once('ending', abort);
    else if (when === 'after both ends') this.run.whenBothFinished(this, abortLater);
    else connection.once(when === 'in finish' ? 'finish' : 'end', abort);
  }

  #destroy(connection: PoolConnection, error: Error | null): void {
    if (connection.destroyed) return;
    const both = this.finished && this.peer.finished;
    this.aborted = { with: error, finished: this.finished, both };
    this.run.count(both ? 'abortsBehindBoth' : 'aborts');
    connection.destroy(error ?? undefined);
  }

  async #write(connection: PoolConnection): Promise<void> {
    const { plan, run } = this;
    for (const size of plan.writes) {
      await run.turns(plan.pause);
      // It may have ended by itself (allowHalfOpen).
      if (connection.writableEnded || connection.destroyed) return;
      const memory = Buffer.from(this.bytes.subarray(this.sent, this.sent + size));
      this.sent += size;
      this.#writesOut++;
      const isOut = new Promise<void>((resolve) => {
        connection.write(memory, () => {
          this.#writesOut--;
          memory.fill(0);
          resolve();
        });
      });
      if (plan.isPatientWriter) await isOut;
    }
    if (plan.answers && !this.isFirst) while (!this.ended && !this.closed) await run.next();
    connection.end();
    this.#moments.emit('ending');
  }

  async #read(connection: PoolConnection): Promise<void> {
    const { plan, run } = this;
    if (!this.isReader) await this.#holdOut(connection);
    if (connection.destroyed) return;
    if (plan.reads === 'never') {
      this.#destroy(connection, null);
    } else if (plan.reads === 'in pieces') {
      await this.#readPieces(connection);
    } else if (plan.reads === 'iterate') {
      await this.#iterate(connection);
    } else {
      connection.on('data', (bytes: Buffer) => {
        this.#receive(bytes);
        if (plan.reads !== 'with pauses') return;
        connection.pause();
        run.track(run.turns(1 + (plan.patience % 4)).then(() => connection.resume()));
      });
      connection.resume();
    }
  }

  async #holdOut(connection: PoolConnection): Promise<void> {
    const { plan, run } = this;
    run.count('slow');
    if (plan.reads === 'late, paused') connection.pause();
    await new Promise<void>((resolve) => {
      this.release = resolve;
      run.whenBothFinished(this, () => {
        run.track(run.turns(plan.patience).then(resolve));
      });
    });
    this.release = null;
  }

  async #readPieces(connection: PoolConnection): Promise<void> {
    const size = Math.max(1 + this.plan.patience * 7, Math.ceil(this.peer.bytes.length / 100));
    let isReadable = true;
    connection.on('readable', () => {
      isReadable = true;
      this.run.moved();
    });
    while (!this.ended && !this.closed) {
      const bytes = isReadable ? ((connection.read(size) ?? connection.read()) as Buffer | null) : null;
      if (bytes) this.#receive(bytes);
      else isReadable = false;
      await this.run.next();
    }
  }

  async #iterate(connection: PoolConnection): Promise<void> {
    const parts = connection.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
    try {
      for await (const bytes of parts) this.#receive(bytes);
    } catch {
      // The stream tells it too.
    }
  }

  #receive(bytes: Buffer): void {
    const { peer, run } = this;
    run.moved();
    run.count('bytes', bytes.length);
    if (this.ended || this.closed) run.problem(`${this.name}: bytes after the end`);
    const expected = peer.bytes.subarray(this.received, this.received + bytes.length);
    if (!expected.equals(bytes)) {
      const owner = run.ownerOf(bytes) ?? 'nobody';
      run.problem(`${this.name}: ${bytes.length} wrong bytes at ${this.received}, of ${owner}`);
    }
    this.received += bytes.length;
    this.#moments.emit('bytes');
  }

  async #callLate(connection: PoolConnection): Promise<void> {
    await this.run.turns(this.plan.lateBy);
    for (const call of this.plan.late) this.#call(call, connection);
  }

  /** Does to an old connection what the next use of its link must not notice. */
  #call(call: LateCall, connection: PoolConnection): void {
    const socket = this.run.socketOfNext(this);
    const changes = socket?.changes;
    LATE_CALLS[call](connection);
    this.run.count('lateCalls');
    if (socket?.changes !== changes)
      this.run.problem(`${this.name}: ${call} reached the socket of another use`);
  }
}
