/**
 * Cuts a stream of writes into payloads that fill a frame each: large writes are cut, small ones share a frame.
 * A frame that fits one TLS record (16 KiB) costs least.
 */
export class FramePacker {
  #chunks: Buffer[] = [];
  /** The index of the first chunk not yet taken whole, and how much of it is taken. */
  #first = 0;
  #offset = 0;
  #length = 0;

  constructor(private readonly limit: number) {}

  /** Bytes not yet taken. */
  get length(): number {
    return this.#length;
  }

  add(chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.#length += chunk.length;
  }

  /** The next payload, at most `limit` bytes. Only to be called while `length` is not 0. */
  take(): Buffer {
    const head = this.#head();
    const size = Math.min(this.#length, this.limit);
    this.#length -= size;
    if (head.length - this.#offset >= size) return this.#advance(head, size);
    const payload = Buffer.allocUnsafe(size);
    for (let filled = 0; filled < size;) {
      const chunk = this.#head();
      const part = this.#advance(chunk, Math.min(chunk.length - this.#offset, size - filled));
      payload.set(part, filled);
      filled += part.length;
    }
    return payload;
  }

  #head(): Buffer {
    return this.#chunks[this.#first] as Buffer;
  }

  #advance(chunk: Buffer, size: number): Buffer {
    const part = chunk.subarray(this.#offset, this.#offset + size);
    this.#offset += size;
    if (this.#offset === chunk.length) {
      this.#first++;
      this.#offset = 0;
      if (this.#length === 0) {
        this.#chunks = [];
        this.#first = 0;
      }
    }
    return part;
  }
}
