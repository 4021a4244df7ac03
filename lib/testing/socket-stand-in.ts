import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';

const ADDRESS = '127.0.0.1';

/** An error as a socket has it: its code is the second word. */
export function socketError(message: string): Error {
  return Object.assign(new Error(message), { code: message.split(' ')[1] });
}

/** What the library takes for a TCP socket. Where its bytes come from and go to is for those who extend it. */
export abstract class SocketStandIn extends Duplex {
  readonly localAddress = ADDRESS;
  readonly remoteAddress = ADDRESS;
  readonly remoteFamily = 'IPv4';
  bytesRead = 0;
  bytesWritten = 0;

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

  /** As `net.Socket` does: closes as soon as all is written out. */
  destroySoon(): void {
    if (this.writable) this.end();
    if (this.writableFinished) this.destroy();
    else this.once('finish', () => this.destroy());
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
}
