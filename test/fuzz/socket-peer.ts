import type { Socket } from 'node:net';
import { frameOf, PING, PONG } from '../support/raw-frames.js';
import { reset } from '../support/reset.js';
import type { Role } from './script.js';
import { framesIn } from './verdict.js';

/** The hostile end of a TCP connection. */
export class SocketPeer {
  readonly #parts: Buffer[] = [];
  #pings = 0;
  #wake: () => void = () => undefined;

  constructor(readonly socket: Socket) {
    socket.setNoDelay();
    socket.on('error', () => undefined);
    socket.on('data', (bytes: Buffer) => {
      this.#parts.push(bytes);
      this.#wake();
    });
    for (const event of ['end', 'close']) {
      socket.on(event, () => {
        this.#wake();
      });
    }
  }

  get output(): Buffer {
    return Buffer.concat(this.#parts);
  }

  reset(): void {
    reset(this.socket);
  }

  async head(): Promise<void> {
    while (!this.output.includes('\r\n\r\n') && !this.socket.closed) await this.#more();
  }

  /**
   * Sends a ping and waits for its pong, behind which everything sent before was read. False when none came within
   * `patience` milliseconds. `role` is the pool's.
   */
  async settle(role: Role, feed: (ping: Buffer) => void, patience: number): Promise<boolean> {
    const token = `sync ${this.#pings++}`;
    feed(frameOf(Buffer.from(token), { opcode: PING, masked: role === 'server' }));
    return this.#within(patience, () => this.#hasPong(token) || this.#isOver);
  }

  /** Waits until the other end has hung up. False when it had not within `patience` milliseconds. */
  hungUp(patience: number): Promise<boolean> {
    return this.#within(patience, () => this.#isOver);
  }

  get #isOver(): boolean {
    return this.socket.readableEnded || this.socket.closed;
  }

  async #within(patience: number, isSo: () => boolean): Promise<boolean> {
    const since = performance.now();
    while (!isSo() && performance.now() - since < patience) {
      await Promise.race([this.#more(), new Promise((resolve) => setTimeout(resolve, patience))]);
    }
    return isSo();
  }

  #hasPong(token: string): boolean {
    const { output } = this;
    const head = output.indexOf('\r\n\r\n');
    const frames = head < 0 ? [] : framesIn(output, head + 4);
    return frames.some(({ opcode, payload }) => opcode === PONG && payload.toString() === token);
  }

  #more(): Promise<void> {
    return new Promise((resolve) => (this.#wake = resolve));
  }
}
