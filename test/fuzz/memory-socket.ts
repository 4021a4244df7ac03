import { Duplex } from 'node:stream';

let ports = 0;

/** What the library takes for a TCP socket; the far end is the fuzz, which feeds it bytes and keeps what it sends. */
export class MemorySocket extends Duplex {
  readonly remoteAddress = '127.0.0.1';
  readonly localAddress = '127.0.0.1';
  readonly localPort = 1;
  /** Another one for each socket, as those who live at the same time have. */
  readonly remotePort = (ports = (ports % 65_535) + 1);
  readonly remoteFamily = 'IPv4';
  connecting = false;
  bytesRead = 0;
  bytesWritten = 0;
  readonly sent: Buffer[] = [];

  /** A deaf far end takes nothing: what is written to it is never written out. */
  constructor(public isDeaf = false) {
    super({ allowHalfOpen: false });
  }

  get output(): Buffer {
    return Buffer.concat(this.sent);
  }

  /** Bytes of the far end arrive. */
  feed(bytes: Buffer): void {
    if (this.destroyed || this.readableEnded) return;
    this.bytesRead += bytes.length;
    // A copy: frames are unmasked where they lie.
    this.push(Buffer.from(bytes));
  }

  /** The far end says that it sends no more. */
  feedEnd(): void {
    if (!this.destroyed) this.push(null);
  }

  /** The far end resets the connection. */
  reset(): void {
    if (!this.destroyed) this.destroy(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }));
  }

  override _read(): void {
    // Bytes come when they come.
  }

  override _write(bytes: Buffer, _encoding: BufferEncoding, callback: () => void): void {
    this.bytesWritten += bytes.length;
    if (this.isDeaf) return;
    this.sent.push(Buffer.from(bytes));
    callback();
  }

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
