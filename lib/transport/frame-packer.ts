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
    const size = Math.min(this.#length, this.limit);
    const payload = this.#left() >= size ? this.#advance(size) : this.#gather(size);
    this.#length -= size;
    if (this.#length === 0) {
      this.#chunks = [];
      this.#first = 0;
    }
    return payload;
  }

  #gather(size: number): Buffer {
    // Not out of a pool (64 KiB from Node 24 on): what lives as long beside it would keep it.
    const payload = Buffer.allocUnsafeSlow(size);
    for (let filled = 0; filled < size;) {
      const part = this.#advance(Math.min(this.#left(), size - filled));
      payload.set(part, filled);
      filled += part.length;
    }
    return payload;
  }

  /** What is left of the first chunk. */
  #left(): number {
    return (this.#chunks[this.#first]?.length ?? 0) - this.#offset;
  }

  #advance(size: number): Buffer {
    const chunk = this.#chunks[this.#first] as Buffer;
    if (size === chunk.length) {
      this.#first++;
      return chunk;
    }
    const part = chunk.subarray(this.#offset, this.#offset + size);
    this.#offset += size;
    if (this.#offset === chunk.length) {
      this.#first++;
      this.#offset = 0;
    }
    return part;
  }
}
