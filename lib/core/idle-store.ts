import { AgeList, AgeNode } from './age-list.js';
import { CONTROL_ID, type ConnectionId } from './connection-id.js';

/** What the store needs to know of what it stores. */
export interface Named {
  readonly id: ConnectionId;
}

/**
 * The connections that nobody has taken: one index by ID and, by age,
 *  - `idle`: free for anyone;
 *  - `owed`: the peer has begun to write, so only who knows the ID may have it;
 *  - `aside`: the reserved control connection, for who asks for it by name.
 * A connection's state is the list that it sits in (I1).
 */
export class IdleStore<L extends Named> {
  readonly #byId = new Map<ConnectionId, AgeNode<L>>();
  readonly #idle = new AgeList<L>();
  readonly #owed = new AgeList<L>();
  readonly #aside = new AgeList<L>();

  constructor(private readonly reserveControl: boolean) {}

  /** Idle connections, the reserved one included. */
  get active(): number {
    return this.#idle.size + this.#aside.size;
  }

  /** Idle connections that anyone may have: what fills the capacity. */
  get idle(): number {
    return this.#idle.size;
  }

  get owed(): number {
    return this.#owed.size;
  }

  /** What takes up slots: everything but a reserved control connection. */
  get filled(): number {
    const control = this.reserveControl ? this.#byId.get(CONTROL_ID) : undefined;
    return this.#idle.size + this.#owed.size - (control?.list === this.#owed ? 1 : 0);
  }

  get oldestOwed(): L | undefined {
    return this.#owed.oldest?.value;
  }

  get oldestIdle(): L | undefined {
    return this.#idle.oldest?.value;
  }

  get(id: ConnectionId): L | undefined {
    return this.#byId.get(id)?.value;
  }

  /** Whether a link of this name may go to whoever asks for any. */
  isForAnyone(id: ConnectionId): boolean {
    return !(this.reserveControl && id === CONTROL_ID);
  }

  /** Stores a link whose ID nobody here bears: as idle, or as owed when its peer has begun. */
  add(link: L, begun: boolean): void {
    const node = new AgeNode(link);
    this.#byId.set(link.id, node);
    if (begun) this.#owed.push(node);
    else if (this.isForAnyone(link.id)) this.#idle.push(node);
    else this.#aside.push(node);
  }

  /** Moves a link from idle to owed. False when it was not idle. */
  owe(link: L): boolean {
    const node = this.#nodeOf(link);
    if (!node?.list || node.list === this.#owed) return false;
    node.list.remove(node);
    this.#owed.push(node);
    return true;
  }

  /** Takes a link out. False when it was not here. */
  remove(link: L): boolean {
    const node = this.#nodeOf(link);
    if (!node) return false;
    node.list?.remove(node);
    this.#byId.delete(link.id);
    return true;
  }

  /** Every idle link, the oldest first, the reserved one last. */
  allIdle(): L[] {
    return [...this.#idle.values(), ...this.#aside.values()];
  }

  /** Every idle link that anyone may have, the oldest first. */
  allForAnyone(): L[] {
    return this.#idle.values();
  }

  allOwed(): L[] {
    return this.#owed.values();
  }

  /** The node of this very link: another may bear its ID by now. */
  #nodeOf(link: L): AgeNode<L> | undefined {
    const node = this.#byId.get(link.id);
    return node?.value === link ? node : undefined;
  }
}
