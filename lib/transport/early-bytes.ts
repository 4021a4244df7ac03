/** How many bytes that came before check-out are kept before the peer is made to wait. */
const LIMIT = 64 * 1024;

/** How many messages are kept apart before they are put together: each costs more than its bytes. */
const MAX_PARTS = 64;

/** What a peer sent before anybody took the connection, in order. */
export class EarlyBytes {
  #parts: Buffer[] = [];
  #length = 0;

  get isEmpty(): boolean {
    return this.#length === 0;
  }

  /** Keeps a message. False when the peer should send no more for now. */
  add(message: Buffer): boolean {
    this.#parts.push(message);
    this.#length += message.length;
    if (this.#parts.length > MAX_PARTS) this.#parts = [Buffer.concat(this.#parts)];
    return this.#length < LIMIT;
  }

  /** Hands over all that was kept. */
  takeAll(): Buffer[] {
    const parts = this.#parts;
    this.#parts = [];
    this.#length = 0;
    return parts;
  }
}
