import type { Socket } from 'node:net';
// Taken when this file is loaded: fake timers of a test framework must not keep an end from its listeners.
import { nextTick } from 'node:process';
import { Duplex } from 'node:stream';
import { setImmediate } from 'node:timers';
import type { Cancel, Clock } from '../core/clock.js';
import { describe, NpwsTruncatedError } from '../core/errors.js';
import { MAX_TIMEOUT } from '../core/waiters.js';
import { plainAddress, type Remote } from './address.js';
import { Backlog } from './backlog.js';
import { ByteQueue } from './byte-queue.js';
import { batchOf, type ByteSource } from './frames.js';
import { tlsStateOf, type TlsState } from './tls-state.js';
import { CLOSE_TIMEOUT } from './wire.js';

/** When `write()` asks its caller to wait, in bytes. */
const WRITE_BUFFER = 128 * 1024;

/** When the peer is made to wait for the reader, in bytes. */
const READ_BUFFER = 64 * 1024;

/** Messages below this size, in bytes, are put together while nobody reads them: each costs a Buffer. */
const SMALL = 1024;

/** How long the report that bytes are written out may come after the close of the peer that had them, in milliseconds. */
const REPORT_GRACE = 250;

/** Where a use's bytes go. */
export interface UseReader {
  /** Takes bytes. False when the peer should send no more until `resume`. */
  receive(bytes: Buffer): boolean;
  /** The peer has said all. Under protocol 1 it has closed, with this code, and takes nothing more either. */
  finished(closeCode: number | null): void;
  /** The link was lost before the use was over. */
  broken(error: Error): void;
}

/** What a connection asks of the use that it is the stream of. */
export interface ConnectionUse {
  readonly id: string;
  readonly socket: Socket;
  readonly remote: Remote;
  readonly clock: Clock;
  /** The pool that it is of, as messages name it. */
  readonly pool: string;
  readonly protocol: 1 | 2;
  readonly allowHalfOpen: boolean;
  /** Sends everything to `reader` from here on: first what is there already. */
  attach(reader: UseReader): void;
  /**
   * Sends the next `length` bytes of a source, which it reads at once; `done` is called when they are written out, or with
   * an error when they can't be.
   */
  send(source: ByteSource, length: number, done: (error?: Error | null) => void): void;
  resume(): void;
  /** Ends what we say in good order: all of it arrives, then the peer reads the end. `done` when that is written out. */
  finish(done: (error?: Error | null) => void): void;
  /** The application has read everything, to the end. */
  readToEnd(): void;
  /** The application wants no more. Unless all was said, or a close is under way in good order, the peer sees an error. */
  abandon(): void;
  /** Changes a setting of the socket, for this use alone. */
  set(change: (socket: Socket) => void): void;
}

/**
 * A connection taken from a pool: a stream of bytes both ways, as a `net.Socket` is. After `end()` the peer reads all
 * that was written, then the end, and may go on writing; when both have ended and everything is read, the link beneath
 * goes back to the pools for another use. With a peer that speaks protocol 1 (see `protocol`) there is no half-close:
 * `end()` ends both directions, and gives up what the peer has not sent by then. `destroy()` before both ends cuts it,
 * and the peer sees an error: behind all that was written and its end, where those were out already.
 * A connection that breaks emits 'error' with an `NpwsTruncatedError`, an `NpwsConnectionUnusedError` when its peer had
 * not taken it and never will, or an `NpwsClosedError` when its own pool was closed; one that nobody listens to crashes
 * nothing.
 */
export class PoolConnection extends Duplex {
  /** The name that both ends know this connection by: 8 lower-case hex digits. */
  readonly id: string;
  /** The peer's address: on a server with `trustProxy` the one that the proxies tell. */
  readonly remoteAddress: string | undefined;
  /** The peer's port; undefined behind a trusted proxy, which does not tell it. */
  readonly remotePort: number | undefined;
  /** The address of this end. */
  readonly localAddress: string | undefined;
  /** The port of this end. */
  readonly localPort: number | undefined;
  /** The version of the protocol between the two peers. Under 1, `end()` gives up the answer. */
  readonly protocol: 1 | 2;

  readonly #use: ConnectionUse;
  readonly #outgoing = new ByteQueue();
  readonly #unread = new Backlog();
  /** Whether bytes were handed to the socket and are not yet written out. */
  #isSending = false;
  /** The write under way. */
  #written: ((error?: Error | null) => void) | null = null;
  #verdict: Cancel | undefined;
  #isComplete = false;
  /** What the peer closed with: it takes nothing more. */
  #closeCode: number | null = null;
  /** What happened to the link; told behind what there is to read. */
  #broken: Error | null = null;
  /** What is told a turn later. */
  #late: Error | null = null;
  /** Whether the link was gone before there was anybody to read; until that is known it may have been. */
  #cameBroken = true;
  #bytesRead = 0;
  #bytesWritten = 0;
  #timeout = 0;
  #lastActivity = 0;
  #timer: Cancel | undefined;
  #tls: TlsState | null | undefined;

  /** Pools make these; applications take them from pools. */
  constructor(use: ConnectionUse) {
    super({
      allowHalfOpen: use.allowHalfOpen,
      readableHighWaterMark: READ_BUFFER,
      writableHighWaterMark: WRITE_BUFFER,
    });
    const { socket, remote } = use;
    this.#use = use;
    this.id = use.id;
    this.protocol = use.protocol;
    this.remoteAddress = remote.address;
    this.remotePort = remote.port;
    this.localAddress = socket.localAddress && plainAddress(socket.localAddress);
    this.localPort = socket.localPort;
    this.on('error', () => {
      // Whoever has no listener of their own must not crash for it.
    });
    this.once('end', () => {
      use.readToEnd();
      if (this.#broken) this.destroy(this.#broken);
      else if (this.#closeCode !== null) this.#settleWrite();
    });
    use.attach({
      receive: (bytes) => {
        this.#bytesRead += bytes.length;
        this.#active();
        return this.#receive(bytes);
      },
      finished: (closeCode) => {
        this.#isComplete = true;
        this.#closeCode = closeCode;
        this.#endReading();
      },
      broken: (error) => {
        this.#break(error);
      },
    });
    this.#cameBroken = this.#broken !== null;
  }

  /** Bytes received for the application so far. */
  get bytesRead(): number {
    return this.#bytesRead;
  }

  /** Bytes of the application sent so far. */
  get bytesWritten(): number {
    return this.#bytesWritten;
  }

  /** What TLS agreed on, or null on plain ws. Read it while the connection is open. */
  get tls(): TlsState | null {
    this.#tls ??= tlsStateOf(this.#use.socket);
    return this.#tls;
  }

  /**
   * Emits 'timeout' after `ms` milliseconds without a byte in either direction; 0 or `Infinity` never. The connection stays
   * open. Throws a `RangeError` for what is no such time.
   */
  setTimeout(ms: number, callback?: () => void): this {
    if (typeof ms !== 'number' || !(ms >= 0)) {
      throw new RangeError(`setTimeout: expected milliseconds from 0 to Infinity, got ${describe(ms)}`);
    }
    this.#timeout = ms === Infinity ? 0 : Math.min(ms, MAX_TIMEOUT);
    this.#timer?.();
    this.#timer = undefined;
    if (callback) {
      if (this.#timeout === 0) this.off('timeout', callback);
      else this.once('timeout', callback);
    }
    this.#active();
    return this;
  }

  /** As `net.Socket.setNoDelay`. On by default. */
  setNoDelay(noDelay?: boolean): this {
    this.#use.set((socket) => socket.setNoDelay(noDelay));
    return this;
  }

  /** As `net.Socket.setKeepAlive`, `initialDelay` in milliseconds. On by default, after 15 s. */
  setKeepAlive(enable?: boolean, initialDelay?: number): this {
    this.#use.set((socket) => socket.setKeepAlive(enable, initialDelay));
    return this;
  }

  /** Lets the process stay alive for this connection (the default). */
  ref(): this {
    this.#use.set((socket) => socket.ref());
    return this;
  }

  /** Lets the process exit although this connection is open. */
  unref(): this {
    this.#use.set((socket) => socket.unref());
    return this;
  }

  /**
   * `await using` ends the connection as `end()` does, waits until all that was written is on its way, and drops what
   * comes. A peer that does not take it, or does not end in its turn, is cut off after 30 s.
   */
  override async [Symbol.asyncDispose](): Promise<void> {
    if (this.closed) return;
    const giveUp = this.#use.clock.after(CLOSE_TIMEOUT, () => this.destroy());
    this.once('close', giveUp);
    const isOut = new Promise<unknown>((resolve) => this.once('finish', resolve).once('close', resolve));
    this.end();
    this.resume();
    if (!this.writableFinished) await isOut;
  }

  /**
   * `for await`, and what is made of it (`text()`, `buffer()`), as with any stream: whoever leaves early or has not ended
   * the connection when its end is read destroys it. What was ended before that still arrives.
   */
  override async *[Symbol.asyncIterator](): AsyncGenerator<Buffer, undefined> {
    let isWhole = false;
    try {
      yield* this.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
      isWhole = true;
    } finally {
      // A stream of its own accord would cut what is still on its way.
      if (!isWhole || !this.writableEnded) this.destroy();
    }
  }

  /** As `stream.Readable.read`. */
  override read(size?: number): unknown {
    // Every reader comes through here. A size of 0 is how the stream itself looks for more.
    if (size !== 0 && this.#unread.length > 0) this.#pushUnread();
    return super.read(size);
  }

  /** @internal */
  override _read(): void {
    if (this.#unread.length === 0) this.#use.resume();
  }

  /** @internal */
  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    this.#outgoing.add(chunk);
    this.#transmit(callback);
  }

  /** @internal */
  override _writev(
    chunks: { chunk: Buffer; encoding: BufferEncoding }[],
    callback: (error?: Error | null) => void,
  ): void {
    for (const { chunk } of chunks) this.#outgoing.add(chunk);
    this.#transmit(callback);
  }

  /** @internal */
  override _final(callback: (error?: Error | null) => void): void {
    // It is never finished: the error comes when all is read.
    if (this.#broken) return;
    this.#use.finish((error) => {
      callback(error && this.#truncated('the end was not written', error));
    });
  }

  /** @internal */
  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#timer?.();
    this.#verdict?.();
    const written = this.#written;
    this.#written = null;
    this.#use.abandon();
    callback(error ?? this.#late);
    written?.(error ?? this.#late ?? this.#truncated('it was destroyed before all was written'));
  }

  #receive(bytes: Buffer): boolean {
    const isRead = this.readableLength === 0 || bytes.length >= SMALL;
    if (isRead && this.#unread.length === 0) return this.push(bytes);
    const isFirst = this.#unread.length === 0;
    this.#unread.add(bytes);
    // Who waits for more than there was must look again.
    if (isFirst && this.listenerCount('readable') > 0) nextTick(() => this.emit('readable'));
    return this.readableLength + this.#unread.length < READ_BUFFER;
  }

  #pushUnread(): void {
    for (const bytes of this.#unread.takeAll()) this.push(bytes);
  }

  #endReading(): void {
    this.#pushUnread();
    this.push(null);
    // Who only writes must hear of the end too.
    if (this.#isHeard()) this.read(0);
    else this.#later(() => this.read(0));
  }

  /**
   * Does what makes an event a turn later: whoever is given this connection may have had no time to listen, as promises settle
   * behind what a stream has to tell.
   */
  #later(then: () => void): void {
    setImmediate(() => {
      if (!this.destroyed) then();
    });
  }

  /** Whether somebody has begun to use it: then they have had the time to listen. */
  #isHeard(): boolean {
    const isWritten = this.#bytesWritten + this.writableLength > 0 || this.writableEnded;
    // One each is our own.
    const listeners = this.listenerCount('error') + this.listenerCount('end') - 2;
    return this.readableFlowing !== null || isWritten || listeners > 0;
  }

  #transmit(callback: (error?: Error | null) => void): void {
    this.#written = callback;
    this.#pump();
  }

  /** Sends what may be under way. The stream may reuse a write's memory only when all of it is written out. */
  #pump(): void {
    if (this.#isSending) return;
    const length = batchOf(this.#outgoing.length);
    if (length === 0) {
      const written = this.#written;
      this.#written = null;
      written?.();
      return;
    }
    this.#isSending = true;
    this.#use.send(this.#outgoing, length, (error) => {
      this.#isSending = false;
      if (error) {
        this.#failWrite(error);
        return;
      }
      this.#bytesWritten += length;
      this.#active();
      this.#pump();
    });
  }

  /** The peer has closed. It may have had all: then its close merely overtook the report that our bytes are out. */
  #settleWrite(): void {
    if (!this.#written) return;
    const isOut = this.#outgoing.length === 0 && this.#isSending;
    if (isOut) this.#verdict = this.#use.clock.after(REPORT_GRACE, this.#failWrite.bind(this));
    else this.#failWrite();
  }

  /** Destroys the connection now, or behind what there is to read. */
  #break(error: Error): void {
    this.#broken ??= error;
    const broken = this.#broken;
    // A reader may wait for its own write: that goes on, in vain.
    if (this.#isToBeReadFirst()) this.#pump();
    else if (this.#isHeard()) this.destroy(broken);
    else {
      this.#late = broken;
      this.#later(() => {
        this.#late = null;
        if (this.#isToBeReadFirst()) this.#pump();
        else this.destroy(broken);
      });
    }
  }

  /** Whether somebody reads, or may begin to read, all that the peer has sent: an error would throw it away. */
  #isToBeReadFirst(): boolean {
    const mayBeRead = this.readableFlowing !== null || this.#cameBroken;
    return this.#isComplete && mayBeRead && !this.readableEnded;
  }

  /** The peer takes no more. */
  #failWrite(cause?: Error): void {
    if (this.#written) this.#break(this.#truncated('the peer closed before all was written', cause));
  }

  #truncated(what: string, cause?: Error): NpwsTruncatedError {
    const message = `connection ${this.id} of ${this.#use.pool}: ${what}`;
    return new NpwsTruncatedError(message, this.#closeCode ?? 1006, cause && { cause });
  }

  #active(): void {
    if (this.#timeout === 0 || this.destroyed) return;
    this.#lastActivity = this.#use.clock.now();
    this.#timer ??= this.#armTimer(this.#timeout);
  }

  #armTimer(ms: number): Cancel {
    return this.#use.clock.after(ms, () => {
      const quiet = this.#use.clock.now() - this.#lastActivity;
      this.#timer = undefined;
      if (quiet >= this.#timeout) this.emit('timeout');
      else this.#timer = this.#armTimer(this.#timeout - quiet);
    });
  }
}
