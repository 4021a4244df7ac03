import { type ConnectionId, ID_BYTES, idFromBytes } from '../core/connection-id.js';

/**
 * Reads the ID as a Go client does: the first 4 bytes of the stream, in whatever messages they come.
 * What follows in the same message is data already.
 */
export class IdReader {
  #bytes: Buffer = Buffer.alloc(0);

  /** The ID and what came behind it, or undefined while bytes are missing. */
  read(message: Buffer): { id: ConnectionId; rest: Buffer } | undefined {
    this.#bytes = this.#bytes.length === 0 ? message : Buffer.concat([this.#bytes, message]);
    if (this.#bytes.length < ID_BYTES) return undefined;
    return { id: idFromBytes(this.#bytes), rest: this.#bytes.subarray(ID_BYTES) };
  }
}
