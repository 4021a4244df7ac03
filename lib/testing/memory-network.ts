import { EventEmitter } from 'node:events';
import type { Server, Socket } from 'node:net';
import { setImmediate } from 'node:timers';
import type { Address } from '../core/pool.js';
import { type MemorySocket, memorySockets } from './memory-socket.js';
import { socketError } from './socket-stand-in.js';

/**
 * The network between two pools in memory. Make one and pass it as `network` to have it fail: `cut()` breaks what is
 * open, `down()` also refuses what is dialled, until `up()`. It joins one pair at a time.
 */
export class MemoryNetwork {
  /** The client's ends of what is open. */
  readonly #open = new Set<MemorySocket>();
  #isDown = false;
  /** What the server pool listens on. */
  #listener: MemoryListener | undefined;

  /**
   * Breaks every open connection without a goodbye, as a reset does, and returns how many there were. The pools hear of it
   * a turn of the event loop later, as of any news.
   */
  cut(): number {
    const open = [...this.#open];
    for (const socket of open) socket.reset();
    return open.length;
  }

  /** Breaks every open connection and has dials fail with `ECONNREFUSED` from now on. Returns how many it broke. */
  down(): number {
    this.#isDown = true;
    return this.cut();
  }

  /** Lets dials through again. */
  up(): void {
    this.#isDown = false;
  }

  /**
   * A listener for the server pool of the next pair; null while another pair is open.
   * @internal
   */
  join(): Server | null {
    if (this.#listener?.listening) return null;
    this.#listener = new MemoryListener();
    return this.#listener as unknown as Server;
  }

  /**
   * Opens a connection to the listener: what the client pool dials with.
   * @internal
   */
  connect({ host, port }: Address, connected: () => void): Socket {
    const { near, far } = memorySockets();
    setImmediate(() => {
      if (near.destroyed) return;
      const listener = this.#listener;
      if (this.#isDown || !listener?.listening) {
        near.destroy(socketError(`connect ECONNREFUSED ${host}:${port}`));
        return;
      }
      this.#open.add(near);
      near.once('close', () => this.#open.delete(near));
      connected();
      listener.emit('connection', far.asSocket());
    });
    return near.asSocket();
  }
}

/** What a server pool asks of a `net.Server`; nobody outside the process can reach it. */
class MemoryListener extends EventEmitter {
  listening = true;

  listen(): this {
    return this;
  }

  address(): { address: string; port: number } {
    return { address: 'memory', port: 1 };
  }

  close(callback?: () => void): this {
    this.listening = false;
    setImmediate(() => {
      callback?.();
      this.emit('close');
    });
    return this;
  }
}
