/** Chunks of a stream, read again in whatever pieces suit. */
export class ByteQueue {
  #chunks: Buffer[] = [];
  /** The index of the first chunk not yet read whole, and how much of it is read. */
  #first = 0;
  #offset = 0;
  #length = 0;

  /** Bytes not yet read. */
  get length(): number {
    return this.#length;
  }

  /** Keeps the chunk itself, no copy: it is not to change until it is read. */
  add(chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.#length += chunk.length;
  }

  /** Fills all of `target`, which must not be larger than `length`. */
  read(target: Buffer): void {
    for (let filled = 0; filled < target.length;) {
      const chunk = this.#chunks[this.#first] as Buffer;
      const copied = chunk.copy(target, filled, this.#offset);
      filled += copied;
      this.#offset += copied;
      if (this.#offset < chunk.length) break;
      this.#first++;
      this.#offset = 0;
    }
    this.#length -= target.length;
    if (this.#length === 0) {
      this.#chunks = [];
      this.#first = 0;
    }
  }
}
