import { portOr0, Process } from './processes.js';

/** The three processes of the sample. */
export class Tunnel {
  readonly private: Process;
  readonly public: Process;
  readonly edge: Process;
  #poolPort: number | undefined;

  private constructor([visitor, pool, publicApp, edgeApp]: readonly [number, number, number, number]) {
    // A process that comes back listens where it did before.
    this.private = new Process('private', () => ({ PRIVATE_PORT: this.private.told('port', 0) }));
    this.public = new Process('public', () => ({
      VISITOR_PORT: this.public.told('visitorPort', visitor),
      POOL_PORT: this.public.told('poolPort', pool),
      PORT: this.public.told('port', publicApp),
    }));
    this.edge = new Process('edge', () => ({
      POOL_PORT: this.poolPort,
      PRIVATE_PORT: this.private.told('port'),
      PORT: this.edge.told('port', edgeApp),
    }));
  }

  /**
   * Starts all three, on well-known ports where they are free or on any. The edge dials the port that `poolPort`
   * makes of the real one: something may stand in between.
   */
  static async start(anyPorts: boolean, poolPort?: (real: number) => Promise<number>): Promise<Tunnel> {
    const wanted = anyPorts ? [0, 0, 0, 0] : await Promise.all([8080, 8443, 8081, 8082].map(portOr0));
    const tunnel = new Tunnel(wanted as [number, number, number, number]);
    try {
      await Promise.all([tunnel.private.start(), tunnel.public.start()]);
      if (poolPort) tunnel.#poolPort = await poolPort(tunnel.poolPort);
      await tunnel.edge.start();
    } catch (error) {
      await tunnel.stop();
      throw error;
    }
    return tunnel;
  }

  /** Where the edge dials. */
  get poolPort(): number {
    return this.#poolPort ?? Number(this.public.told('poolPort'));
  }

  /** Brings back whatever stops by itself, as a service manager would. */
  supervise(): void {
    for (const lost of [this.private, this.public, this.edge]) {
      lost.onLost(() => {
        console.log(`the ${lost.name} process is gone: starting it again`);
        lost.start().catch((error: unknown) => {
          console.error(error);
        });
      });
    }
  }

  /** Where visitors go. */
  get url(): string {
    return `http://127.0.0.1:${this.public.told('visitorPort')}`;
  }

  /** Where the private service is, for those beside it. */
  get privateUrl(): string {
    return `http://127.0.0.1:${this.private.told('port')}`;
  }

  /** The live page of the public app's pool, for this machine. */
  get dashboardUrl(): string {
    return this.public.told('dashboard');
  }

  get healthUrls(): string[] {
    return [this.public.told('health'), this.edge.told('health')];
  }

  /** Lets visitors finish, then stops everything. */
  async stop(): Promise<void> {
    await Promise.all([this.public.stop(), this.edge.stop()]);
    await this.private.stop();
  }
}
