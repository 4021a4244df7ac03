import type { Socket } from 'node:net';

/** Counts the live connections of each client address. */
export class AddressLimit {
  readonly #counts = new Map<string, number>();

  constructor(private readonly most: number) {}

  /** Whether this address may have one more. One that is not known is an address like any other. */
  hasRoomFor(address = ''): boolean {
    return (this.#counts.get(address) ?? 0) < this.most;
  }

  /** Counts a socket until it is closed. */
  add(socket: Socket, address = ''): void {
    if (this.most === Infinity) return;
    this.#counts.set(address, (this.#counts.get(address) ?? 0) + 1);
    socket.once('close', () => {
      const left = (this.#counts.get(address) ?? 0) - 1;
      if (left > 0) this.#counts.set(address, left);
      else this.#counts.delete(address);
    });
  }
}
