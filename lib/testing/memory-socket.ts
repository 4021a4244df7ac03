import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
// Taken when this file is loaded: fake timers of a test framework must not stop the network.
import { setImmediate } from 'node:timers';

const ADDRESS = '127.0.0.1';
const SERVER_PORT = 1;
const MAX_PORT = 65_535;

let lastPort = SERVER_PORT;

/** Two ends of a connection without a network: what is written to one is read from the other, a turn of the loop later. */
export function memorySockets(): { near: MemorySocket; far: MemorySocket } {
  // No two that live at the same time have the same.
  lastPort = lastPort === MAX_PORT ? SERVER_PORT + 1 : lastPort + 1;
  const near = new MemorySocket(lastPort, SERVER_PORT);
  const far = new MemorySocket(SERVER_PORT, lastPort);
  near.join(far);
  far.join(near);
  return { near, far };
}

/** What takes the place of a TCP socket. */
export class MemorySocket extends Duplex {
  readonly localAddress = ADDRESS;
  readonly remoteAddress = ADDRESS;
  readonly remoteFamily = 'IPv4';
  bytesRead = 0;
  #peer!: MemorySocket;
  #isEnding = false;
  /** Ends the write whose bytes wait until the peer reads. */
  #written: ((error?: Error | null) => void) | undefined;

  constructor(
    readonly localPort: number,
    readonly remotePort: number,
  ) {
    super({ allowHalfOpen: false });
  }

  /** Itself, for who asks for a TCP socket. */
  asSocket(): Socket {
    return this as unknown as Socket;
  }

  join(peer: MemorySocket): void {
    this.#peer = peer;
  }

  /** Breaks the connection: both ends see it. */
  reset(): void {
    const error = errorOf('read ECONNRESET');
    this.#peer.destroy(error);
    this.destroy(error);
  }

  /** As `net.Socket` does: closes as soon as all is written out. */
  destroySoon(): void {
    if (this.writable) this.end();
    if (this.writableFinished) this.destroy();
    else this.once('finish', () => this.destroy());
  }

  override _read(): void {
    this.#peer.#settleWrite();
  }

  override _write(bytes: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    // A copy, as over a network: who receives it may change it. A turn later, so that nobody hears before the writer returns.
    const copy = Buffer.from(bytes);
    setImmediate(() => {
      if (this.#peer.destroyed) callback(errorOf('write EPIPE'));
      else if (this.#peer.#deliver(copy)) callback();
      else this.#written = callback;
    });
  }

  override _final(callback: () => void): void {
    setImmediate(() => {
      this.#peer.#deliver(null);
      callback();
    });
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    setImmediate(() => this.#peer.#deliver(null));
    callback(error);
    this.#settleWrite(errorOf('write ECANCELED'));
    // What waits for this end to read waits in vain.
    this.#peer.#settleWrite();
  }

  setTimeout(): this {
    return this;
  }

  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  #settleWrite(error?: Error): void {
    const written = this.#written;
    this.#written = undefined;
    written?.(error);
  }

  /** False when the writer should wait. `null` is the end. */
  #deliver(bytes: Buffer | null): boolean {
    if (this.destroyed || this.#isEnding) return true;
    if (bytes === null) this.#isEnding = true;
    this.bytesRead += bytes?.length ?? 0;
    return this.push(bytes);
  }
}

function errorOf(message: string): Error {
  return Object.assign(new Error(message), { code: message.split(' ')[1] });
}
