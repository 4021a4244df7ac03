import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

/** A TCP relay to a port of this machine that can fall silent or cut. `await using` drops everything. */
export class Relay implements AsyncDisposable {
  /** Connections that went through a fault so far. */
  injected = 0;
  readonly #server: Server;
  readonly #pairs = new Set<[Socket, Socket]>();
  #isSilent = false;

  private constructor(target: number) {
    this.#server = createServer((near) => {
      const far = connect(target, '127.0.0.1');
      const pair: [Socket, Socket] = [near, far];
      this.#pairs.add(pair);
      for (const [from, to] of [pair, [far, near] as const]) {
        from.on('data', (bytes) => {
          if (!this.#isSilent) to.write(bytes);
        });
        from.on('end', () => {
          if (!this.#isSilent) to.end();
        });
        from.on('error', () => undefined);
        from.on('close', () => {
          this.#pairs.delete(pair);
          if (!this.#isSilent) to.destroy();
        });
      }
    });
  }

  static async to(target: number): Promise<Relay> {
    const relay = new Relay(target);
    relay.#server.listen(0, '127.0.0.1');
    await once(relay.#server, 'listening');
    return relay;
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  /** From here on nothing passes in either direction, and no end either: packets are lost. */
  blackHole(): void {
    this.injected += this.#pairs.size;
    this.#isSilent = true;
  }

  /** Both sides of every connection see a reset. */
  cut(): void {
    this.injected += this.#pairs.size;
    for (const pair of this.#pairs) for (const socket of pair) socket.resetAndDestroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isSilent = false;
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
