// Taken when this file is loaded: fake timers of a test framework must not stop the network.
import { setImmediate } from 'node:timers';
import { socketError, SocketStandIn } from './socket-stand-in.js';

const SERVER_PORT = 1;
const MAX_PORT = 65_535;

let lastPort = SERVER_PORT;

/** Two ends of a connection without a network: what is written to one is read from the other, a turn of the loop later. */
export function memorySockets(): { near: MemorySocket; far: MemorySocket } {
  // Those who live at the same time have another one each, up to 65,533.
  lastPort = lastPort === MAX_PORT ? SERVER_PORT + 1 : lastPort + 1;
  const near = new MemorySocket(lastPort, SERVER_PORT);
  const far = new MemorySocket(SERVER_PORT, lastPort);
  near.join(far);
  far.join(near);
  return { near, far };
}

/** One end of such a connection. */
export class MemorySocket extends SocketStandIn {
  #peer!: MemorySocket;
  #isEnding = false;
  /** Ends the write whose bytes wait until the peer reads. */
  #written: ((error?: Error | null) => void) | undefined;

  join(peer: MemorySocket): void {
    this.#peer = peer;
  }

  /** Breaks the connection: both ends see it. */
  reset(): void {
    const error = socketError('read ECONNRESET');
    this.#peer.destroy(error);
    this.destroy(error);
  }

  override _read(): void {
    this.#peer.#settleWrite();
  }

  override _write(bytes: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    // A copy, as over a network: who receives it may change it. A turn later, so that nobody hears before the writer returns.
    const copy = Buffer.from(bytes);
    this.bytesWritten += copy.length;
    setImmediate(() => {
      if (this.#peer.destroyed) callback(socketError('write EPIPE'));
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
    this.#settleWrite(socketError('write ECANCELED'));
    // What waits for this end to read waits in vain.
    this.#peer.#settleWrite();
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
