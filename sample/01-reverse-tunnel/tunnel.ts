import { Child } from '../common/child.js';
import { freePort } from '../common/free-port.js';

/** Where each part listens. A process that comes back listens where it did before. */
interface Ports {
  readonly private: number;
  readonly visitors: number;
  readonly pool: number;
  readonly public: number;
  readonly edge: number;
}

/** The three processes of the sample. */
export class Tunnel {
  readonly private: Child;
  readonly public: Child;
  readonly edge: Child;

  private constructor(
    private readonly ports: Ports,
    /** Where the edge dials. */
    readonly poolPort: number,
  ) {
    const fileOf = (name: string): URL => new URL(`${name}.ts`, import.meta.url);
    this.private = new Child('the private process', fileOf('private'), () => ({
      PRIVATE_PORT: ports.private,
    }));
    this.public = new Child('the public process', fileOf('public'), () => ({
      VISITOR_PORT: ports.visitors,
      POOL_PORT: ports.pool,
      PORT: ports.public,
    }));
    this.edge = new Child('the edge process', fileOf('edge'), () => ({
      POOL_PORT: poolPort,
      PRIVATE_PORT: ports.private,
      PORT: ports.edge,
    }));
  }

  /**
   * Starts all three, on well-known ports where they are free or on any. The edge dials the port that `poolPort`
   * makes of the real one: something may stand in between.
   */
  static async start(anyPorts: boolean, poolPort?: (real: number) => Promise<number>): Promise<Tunnel> {
    const port = (known: number): Promise<number> => freePort(anyPorts ? undefined : known);
    const ports = {
      private: await freePort(),
      visitors: await port(8080),
      pool: await port(8443),
      public: await port(8081),
      edge: await port(8082),
    };
    const tunnel = new Tunnel(ports, (await poolPort?.(ports.pool)) ?? ports.pool);
    try {
      await Promise.all([tunnel.private.start(), tunnel.public.start()]);
      await tunnel.edge.start();
    } catch (error) {
      await tunnel.stop();
      throw error;
    }
    return tunnel;
  }

  /** Brings back whatever stops by itself. */
  supervise(): void {
    for (const child of [this.private, this.public, this.edge]) child.supervise();
  }

  /** Where visitors go. */
  get url(): string {
    return `http://127.0.0.1:${this.ports.visitors}`;
  }

  /** Where the private service is, for those beside it. */
  get privateUrl(): string {
    return `http://127.0.0.1:${this.ports.private}`;
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
