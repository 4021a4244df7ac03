import { socketError, SocketStandIn } from '../../lib/testing/socket-stand-in.js';

const SERVER_PORT = 1;

let ports = 0;

/** A socket whose far end is the fuzz, which feeds it bytes and keeps what it sends. */
export class MemorySocket extends SocketStandIn {
  readonly sent: Buffer[] = [];

  /** A deaf far end takes nothing: what is written to it is never written out. */
  constructor(public isDeaf = false) {
    // Another one for each socket, as those who live at the same time have.
    super(SERVER_PORT, (ports = (ports % 65_535) + 1));
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
    if (!this.destroyed) this.destroy(socketError('read ECONNRESET'));
  }

  override _read(): void {
    // Bytes come when they come.
  }

  override _write(bytes: Buffer, _encoding: BufferEncoding, callback: () => void): void {
    if (this.isDeaf) return;
    this.sent.push(Buffer.from(bytes));
    callback();
  }
}
