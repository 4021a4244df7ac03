import { Child } from '../parts/child.js';
import { freePort } from '../parts/free-port.js';

/** Where each part listens. A process that comes back listens where it did before. */
interface Ports {
  readonly private: number;
  readonly visitors: number;
  readonly pool: number;
  readonly public: number;
  readonly edge: number;
}

/** What differs from the sample as it is. */
export interface TunnelSettings {
  /** Whether all take ports that are free, instead of those that they are known by. */
  readonly anyPorts: boolean;
  /** The program of the private service, which listens on `PRIVATE_PORT`. */
  readonly service?: URL;
  /** Where visitors go, if that is free. */
  readonly visitorPort?: number;
  /** Makes of the pool's port the one that the edge dials: something may stand in between. */
  readonly between?: (poolPort: number) => Promise<number>;
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
    service: URL,
  ) {
    const fileOf = (name: string): URL => new URL(`${name}.ts`, import.meta.url);
    this.private = new Child('the private process', service, () => ({ PRIVATE_PORT: ports.private }));
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

  /** Starts all three. */
  static async start(settings: TunnelSettings): Promise<Tunnel> {
    const {
      anyPorts,
      service = new URL('private.ts', import.meta.url),
      visitorPort = 8080,
      between,
    } = settings;
    const port = (known: number): Promise<number> => freePort(anyPorts ? undefined : known);
    const ports = {
      private: await freePort(),
      visitors: await port(visitorPort),
      pool: await port(8443),
      public: await port(8081),
      edge: await port(8082),
    };
    const tunnel = new Tunnel(ports, (await between?.(ports.pool)) ?? ports.pool, service);
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
    return `http://127.0.0.1:${this.visitorPort}`;
  }

  /** The same for those who speak no HTTP. */
  get visitorPort(): number {
    return this.ports.visitors;
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
