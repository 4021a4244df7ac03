import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import type { Cancel, Clock } from '../core/clock.js';
import { NpwsTruncatedError } from '../core/errors.js';
import type { LinkEnd } from '../core/link.js';
import { plainAddress, type Remote } from './address.js';
import { Backlog } from './backlog.js';
import { FramePacker } from './frame-packer.js';
import { tlsStateOf, type TlsState } from './tls.js';

/** The largest payload of our own frames: with its header (8 bytes when masked) a frame fills one TLS record of 16 KiB. */
const MAX_PAYLOAD = 16 * 1024 - 8;

/** Frames handed to the socket and not yet written out: 128 KiB at most. */
const MAX_FRAMES_OUT = 8;

/** When `write()` asks its caller to wait, in bytes. */
const WRITE_BUFFER = 128 * 1024;

/** When the peer is made to wait for the reader, in bytes. */
const READ_BUFFER = 64 * 1024;

/** Messages below this size, in bytes, are put together while nobody reads them: each costs a Buffer. */
const SMALL = 1024;

/** How long a peer has to answer the close of a connection in use, in milliseconds. It may be reading still. */
export const CLOSE_TIMEOUT = 30_000;

/** How long the report that bytes are written out may come after the close of the peer that had them, in milliseconds. */
const REPORT_GRACE = 250;

/** Where a use's bytes go. */
export interface LinkReader {
  /** Takes bytes. False when the peer should send no more until `resume`. */
  receive(bytes: Buffer): boolean;
  /** Nothing more comes. */
  ended(end: LinkEnd): void;
}

/** What a connection asks of the link beneath it. */
export interface ConnectionLink {
  readonly id: string;
  readonly socket: Socket;
  readonly remote: Remote;
  readonly clock: Clock;
  /** The pool that it is of, as messages name it. */
  readonly pool: string;
  /** Sends everything to `reader` from here on: first what is there already. */
  attach(reader: LinkReader): void;
  /** Sends one binary message; `done` is called when it is written out, or with an error when it can't be. */
  send(bytes: Uint8Array, done?: (error?: Error | null) => void): void;
  resume(): void;
  /** Ends the use in good order: everything sent so far arrives, then the peer reads the end. */
  finish(): void;
  /** The application wants no more. Unless a close is under way in good order, the peer sees an error. */
  abandon(): void;
}

/**
 * A connection taken from a pool: a stream of bytes both ways, as a `net.Socket` is. `end()` closes it in good order:
 * the peer reads all that was written, then the end. It also gives up what the peer has not sent by then (protocol 1
 * has no half-close). `destroy()` before that cuts it, and the peer's reader sees an error, never a clean end.
 * A connection that breaks emits 'error' with an `NpwsTruncatedError`, or with an `NpwsClosedError` when its own pool was
 * closed; one that nobody listens to crashes nothing.
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
  readonly protocol = 1;

  readonly #link: ConnectionLink;
  readonly #outgoing = new FramePacker(MAX_PAYLOAD);
  readonly #unread = new Backlog();
  #framesOut = 0;
  /** The write under way. */
  #written: ((error?: Error | null) => void) | null = null;
  #verdict: Cancel | undefined;
  #end: LinkEnd | null = null;
  #bytesRead = 0;
  #bytesWritten = 0;
  #timeout = 0;
  #lastActivity = 0;
  #timer: Cancel | undefined;
  #tls: TlsState | null | undefined;

  /** Pools make these; applications take them from pools. */
  constructor(link: ConnectionLink) {
    super({ allowHalfOpen: false, readableHighWaterMark: READ_BUFFER, writableHighWaterMark: WRITE_BUFFER });
    const { socket, remote } = link;
    this.#link = link;
    this.id = link.id;
    this.remoteAddress = remote.address;
    this.remotePort = remote.port;
    this.localAddress = socket.localAddress && plainAddress(socket.localAddress);
    this.localPort = socket.localPort;
    this.on('error', () => {
      // Whoever has no listener of their own must not crash for it.
    });
    this.once('end', () => {
      this.#settleWrite();
    });
    link.attach({
      receive: (bytes) => {
        this.#bytesRead += bytes.length;
        this.#active();
        return this.#receive(bytes);
      },
      ended: (end) => {
        this.#end = end;
        if (end.clean) this.#endReading();
        else this.destroy(end.error ?? undefined);
      },
    });
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
    this.#tls ??= tlsStateOf(this.#link.socket);
    return this.#tls;
  }

  /** Emits 'timeout' after `ms` milliseconds without a byte in either direction; 0 never. The connection stays open. */
  setTimeout(ms: number, callback?: () => void): this {
    this.#timeout = ms;
    this.#timer?.();
    this.#timer = undefined;
    if (callback) {
      if (ms === 0) this.off('timeout', callback);
      else this.once('timeout', callback);
    }
    this.#active();
    return this;
  }

  /** As `net.Socket.setNoDelay`. On by default. */
  setNoDelay(noDelay?: boolean): this {
    this.#link.socket.setNoDelay(noDelay);
    return this;
  }

  /** As `net.Socket.setKeepAlive`, `initialDelay` in milliseconds. On by default, after 15 s. */
  setKeepAlive(enable?: boolean, initialDelay?: number): this {
    this.#link.socket.setKeepAlive(enable, initialDelay);
    return this;
  }

  /** Lets the process stay alive for this connection (the default). */
  ref(): this {
    this.#link.socket.ref();
    return this;
  }

  /** Lets the process exit although this connection is open. */
  unref(): this {
    this.#link.socket.unref();
    return this;
  }

  /**
   * `await using` ends the connection as `end()` does, drops what is unread, and waits until it is closed. A peer that
   * does not take what was written, or does not answer, is cut off after 30 s.
   */
  override async [Symbol.asyncDispose](): Promise<void> {
    if (this.closed) return;
    const closed = new Promise<void>((resolve) => this.once('close', resolve));
    const giveUp = this.#link.clock.after(CLOSE_TIMEOUT, () => this.destroy());
    this.end();
    this.resume();
    await closed;
    giveUp();
  }

  /** As `stream.Readable.read`. */
  override read(size?: number): unknown {
    // Every reader comes through here. A size of 0 is how the stream itself looks for more.
    if (size !== 0 && this.#unread.length > 0) this.#pushUnread();
    return super.read(size);
  }

  /** @internal */
  override _read(): void {
    if (this.#unread.length === 0) this.#link.resume();
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
  override _final(callback: () => void): void {
    this.#link.finish();
    callback();
  }

  /** @internal */
  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#timer?.();
    this.#verdict?.();
    const written = this.#written;
    this.#written = null;
    this.#link.abandon();
    callback(error);
    written?.(error ?? this.#truncated('it was destroyed before all was written'));
  }

  #receive(bytes: Buffer): boolean {
    const isRead = this.readableLength === 0 || bytes.length >= SMALL;
    if (isRead && this.#unread.length === 0) return this.push(bytes);
    const isFirst = this.#unread.length === 0;
    this.#unread.add(bytes);
    // Who waits for more than there was must look again.
    if (isFirst && this.listenerCount('readable') > 0) process.nextTick(() => this.emit('readable'));
    return this.readableLength + this.#unread.length < READ_BUFFER;
  }

  #pushUnread(): void {
    for (const bytes of this.#unread.takeAll()) this.push(bytes);
  }

  #endReading(): void {
    this.#pushUnread();
    this.push(null);
    // Who only writes must hear of the end too.
    this.read(0);
  }

  #transmit(callback: (error?: Error | null) => void): void {
    this.#written = callback;
    this.#pump();
  }

  /** Sends as much as may be under way. The stream may reuse a write's memory only when all of it is written out. */
  #pump(): void {
    while (this.#outgoing.length > 0 && this.#framesOut < MAX_FRAMES_OUT) {
      const frame = this.#outgoing.take();
      this.#framesOut++;
      this.#link.send(frame, (error) => {
        this.#framesOut--;
        if (error) {
          this.#failWrite(error);
          return;
        }
        this.#bytesWritten += frame.length;
        this.#active();
        this.#pump();
      });
    }
    if (this.#outgoing.length > 0 || this.#framesOut > 0) return;
    const written = this.#written;
    this.#written = null;
    written?.();
  }

  /** The peer has closed. It may have had all: then its close merely overtook the report that our bytes are out. */
  #settleWrite(): void {
    if (!this.#written) return;
    const isOut = this.#outgoing.length === 0 && this.#framesOut > 0;
    if (isOut) this.#verdict = this.#link.clock.after(REPORT_GRACE, this.#failWrite.bind(this));
    else this.#failWrite();
  }

  /** The peer takes no more. If somebody reads, what it had sent is read first: an error would throw it away. */
  #failWrite(cause?: Error): void {
    const written = this.#written;
    const isBeingRead = this.readableFlowing !== null && !this.readableEnded;
    if (!written || (this.#end?.clean && isBeingRead)) return;
    this.#written = null;
    written(this.#truncated('the peer closed before all was written', cause));
  }

  #truncated(what: string, cause?: Error): NpwsTruncatedError {
    const message = `connection ${this.id} of ${this.#link.pool}: ${what}`;
    return new NpwsTruncatedError(message, this.#end?.code ?? 1006, cause && { cause });
  }

  #active(): void {
    if (this.#timeout === 0 || this.destroyed) return;
    this.#lastActivity = this.#link.clock.now();
    this.#timer ??= this.#armTimer(this.#timeout);
  }

  #armTimer(ms: number): Cancel {
    return this.#link.clock.after(ms, () => {
      const quiet = this.#link.clock.now() - this.#lastActivity;
      this.#timer = undefined;
      if (quiet >= this.#timeout) this.emit('timeout');
      else this.#timer = this.#armTimer(this.#timeout - quiet);
    });
  }
}
