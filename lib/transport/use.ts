import type { Socket } from 'node:net';
import type { Clock } from '../core/clock.js';
import type { ConnectionId } from '../core/connection-id.js';
import type { Remote } from './address.js';
import { Backlog } from './backlog.js';
import type { ConnectionUse, UseReader } from './connection.js';
import type { ByteSource } from './frames.js';
import { EMPTY } from './handshake.js';

/** How many bytes that came before check-out are kept before the peer is made to wait. */
const EARLY_LIMIT = 64 * 1024;

/** What a use asks of the link that carries it. */
export interface Carrier {
  readonly socket: Socket;
  readonly remote: Remote;
  readonly clock: Clock;
  /** The pool that it is of, as messages name it. */
  readonly pool: string;
  readonly protocol: 1 | 2;
  readonly allowHalfOpen: boolean;
  send(bytes: Uint8Array, done?: (error?: Error | null) => void): void;
  /** Sends the next `length` bytes of a source in binary messages; `done` when they are written out, or can't be. */
  sendFrom(source: ByteSource, length: number, done: (error?: Error | null) => void): void;
  /** Reads no more for now. */
  pause(): void;
  resume(): void;
  /** Closes in good order: everything sent so far arrives. */
  finish(): void;
  /** The application wants no more. Unless a close is under way in good order, the link is cut. */
  abandon(): void;
  /** The peer has begun, and nobody has taken the use yet. */
  onBegun(): void;
  /** Both directions have come to their end, and the application is done. */
  onDone(): void;
}

/**
 * One use of a link, from its name to its end: what came before check-out, how far each direction is, who reads. When
 * it is over it reaches its link no more, and the link not it: nothing of one use gets into the next.
 */
export class Use implements ConnectionUse {
  readonly #early = new Backlog();
  #reader: UseReader | null = null;
  #failure: Error | null = null;
  #hasHeard = false;
  #hasAll = false;
  /** Under protocol 1 the peer says that it is done by closing. */
  #closeCode: number | null = null;
  #isFinSent = false;
  #hasSentData = false;
  #isTaken = false;
  #isDone = false;
  #isOver = false;
  #isSocketChanged = false;

  constructor(
    /** The name that both ends know it by. */
    readonly id: ConnectionId,
    private readonly link: Carrier,
  ) {}

  get socket(): Socket {
    return this.link.socket;
  }

  get remote(): Remote {
    return this.link.remote;
  }

  get clock(): Clock {
    return this.link.clock;
  }

  get pool(): string {
    return this.link.pool;
  }

  get protocol(): 1 | 2 {
    return this.link.protocol;
  }

  get allowHalfOpen(): boolean {
    return this.link.allowHalfOpen;
  }

  /** Whether something waits for whoever takes it. */
  get begun(): boolean {
    return this.#early.length > 0 || (this.protocol === 2 && this.#hasAll && !this.#isTaken);
  }

  /** Whether anything came. */
  get hasHeard(): boolean {
    return this.#hasHeard;
  }

  /** Whether an application ever had it. */
  get isTaken(): boolean {
    return this.#isTaken;
  }

  /** Whether an application holds it and may read. */
  get isRead(): boolean {
    return this.#reader !== null;
  }

  /** Whether the peer has said all. */
  get hasAll(): boolean {
    return this.#hasAll;
  }

  /** Whether we have said all. */
  get isFinSent(): boolean {
    return this.#isFinSent;
  }

  /** Whether anything of ours may fill the peer's buffers and stop its reading. */
  get hasSentData(): boolean {
    return this.#hasSentData;
  }

  /** Whether both directions came to their end: what befalls the link now does not matter. */
  get isComplete(): boolean {
    return this.#hasAll && this.#isFinSent;
  }

  /** Sends everything to `reader` from here on: first what is there already. */
  attach(reader: UseReader): void {
    this.#isTaken = true;
    this.#reader = reader;
    let wantsMore = true;
    for (const bytes of this.#early.takeAll()) wantsMore = reader.receive(bytes);
    if (this.#hasAll) reader.finished(this.#closeCode);
    if (this.#failure) reader.broken(this.#failure);
    else if (wantsMore || this.#hasAll) this.resume();
    else this.link.pause();
  }

  /** Takes bytes from the link. False when no more should come for now. */
  receive(bytes: Buffer): boolean {
    this.#hasHeard = true;
    if (this.#reader) return this.#reader.receive(bytes);
    const isFirst = this.#early.length === 0;
    this.#early.add(bytes);
    if (isFirst) this.link.onBegun();
    return this.#early.length < EARLY_LIMIT;
  }

  /** The peer has said all: in so many words (protocol 2), or by closing in good order. */
  receiveEnd(closeCode: number | null): void {
    const wasBegun = this.begun;
    this.#hasAll = true;
    this.#hasHeard = true;
    this.#closeCode = closeCode;
    if (this.#reader) this.#reader.finished(closeCode);
    else if (this.begun && !wasBegun) this.link.onBegun();
    this.#settle();
  }

  /** The link is lost. */
  fail(error: Error): void {
    this.#failure = error;
    this.#reader?.broken(error);
  }

  /** Sends bytes; `done` is called when they are written out, or with an error when they can't be. */
  send(source: ByteSource, length: number, done: (error?: Error | null) => void): void {
    this.#hasSentData = true;
    this.link.sendFrom(source, length, done);
  }

  resume(): void {
    if (!this.#isOver) this.link.resume();
  }

  /** We have said all: everything sent so far arrives, then the peer reads the end. `done` when that is written out. */
  finish(done: (error?: Error | null) => void): void {
    this.#isFinSent = true;
    if (this.protocol === 1) {
      this.link.finish();
      done();
      return;
    }
    // What gives the link back goes out together with the end.
    const { socket } = this;
    socket.cork();
    this.link.send(EMPTY, (error) => {
      done(this.isComplete ? null : error);
    });
    this.#settle();
    socket.uncork();
  }

  /** The application has read everything, to the end. */
  readToEnd(): void {
    this.#isDone = true;
    this.#settle();
  }

  /** The application wants no more. */
  abandon(): void {
    this.#reader = null;
    this.#isDone = true;
    if (this.#isOver) return;
    if (this.protocol === 1 || !this.isComplete) this.#breakOff();
    else this.#settle();
  }

  /** Takes a setting of the socket that holds for this use alone. */
  set(change: (socket: Socket) => void): void {
    if (this.#isOver) return;
    this.#isSocketChanged = true;
    change(this.socket);
  }

  /** Ends the use for the link. Whether the socket is not as it was before. */
  close(): boolean {
    this.#isOver = true;
    return this.#isSocketChanged;
  }

  #breakOff(): void {
    // What was sent, the end included, still arrives: a socket that is cut may lose it.
    if (this.protocol === 2 && this.#isFinSent) this.link.finish();
    this.link.abandon();
  }

  #settle(): void {
    if (this.protocol === 2 && this.isComplete && this.#isDone && !this.#isOver) this.link.onDone();
  }
}
