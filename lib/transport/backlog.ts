/** How many messages are kept apart before they are put together: each costs more than its bytes. */
const MAX_PARTS = 64;

/** Bytes that came and that nobody has read yet, in order. Many small messages take no more room than one large one. */
export class Backlog {
  #parts: Buffer[] = [];
  #length = 0;

  get length(): number {
    return this.#length;
  }

  add(message: Buffer): void {
    this.#parts.push(message);
    this.#length += message.length;
    if (this.#parts.length > MAX_PARTS) this.#parts = [Buffer.concat(this.#parts)];
  }

  /** Hands over all that was kept. */
  takeAll(): Buffer[] {
    const parts = this.#parts;
    this.#parts = [];
    this.#length = 0;
    return parts;
  }
}
