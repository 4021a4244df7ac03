import { Child } from '../common/child.js';
import { freePort } from '../common/free-port.js';

/** The two ends of sample 01's tunnel, each in a process of its own: they carry bytes, whatever they mean. */
export class Way {
  private constructor(
    /** Where clients connect as if the service were there. */
    readonly port: number,
    readonly entrance: Child,
    readonly edge: Child,
  ) {}

  /** Starts both, so that `port` leads to `servicePort`. */
  static async start(servicePort: number, port: number): Promise<Way> {
    const fileOf = (name: string): URL => new URL(`../01-reverse-tunnel/${name}.ts`, import.meta.url);
    const [poolPort, publicPort, edgePort] = [await freePort(), await freePort(), await freePort()];
    const way = new Way(
      port,
      new Child('the public process', fileOf('public'), () => ({
        VISITOR_PORT: port,
        POOL_PORT: poolPort,
        PORT: publicPort,
      })),
      new Child('the edge process', fileOf('edge'), () => ({
        PRIVATE_PORT: servicePort,
        POOL_PORT: poolPort,
        PORT: edgePort,
      })),
    );
    try {
      await way.entrance.start();
      await way.edge.start();
      return way;
    } catch (error) {
      await way.stop();
      throw error;
    }
  }

  /** Brings back whatever stops by itself. */
  supervise(): void {
    for (const child of [this.entrance, this.edge]) child.supervise();
  }

  async stop(): Promise<void> {
    await Promise.all([this.entrance.stop(), this.edge.stop()]);
  }
}
