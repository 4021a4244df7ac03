import type { INestApplication } from '@nestjs/common';
import { Child } from '../parts/child.js';
import { freePort } from '../parts/free-port.js';
import { startApp } from './app.js';
import { Edges, EDGES } from './edges.js';

/** The public app in this process, and the edges in a process each. */
export class Fleet {
  private constructor(
    readonly app: INestApplication,
    readonly url: string,
    readonly edges: readonly Child[],
  ) {}

  /** Starts all, on a well-known port if it is free or on any, and waits until every edge can be asked. */
  static async start(anyPort: boolean): Promise<Fleet> {
    const app = await startApp(await freePort(anyPort ? undefined : 8080));
    const url = await app.getUrl();
    const edges = EDGES.map(
      (name) =>
        new Child(name, new URL('edge.ts', import.meta.url), () => ({
          EDGE_NAME: name,
          APP_ADDRESS: new URL(url).host,
        })),
    );
    const fleet = new Fleet(app, url, edges);
    try {
      await Promise.all(edges.map((edge) => edge.start()));
      await fleet.whenPresent();
      return fleet;
    } catch (error) {
      await fleet.stop();
      throw error;
    }
  }

  /** Resolves when every edge can be asked. */
  async whenPresent(): Promise<void> {
    await this.app.get(Edges).whenPresent();
  }

  /** Brings back whatever edge stops by itself. */
  supervise(): void {
    for (const edge of this.edges) edge.supervise();
  }

  async stop(): Promise<void> {
    await Promise.all(this.edges.map((edge) => edge.stop()));
    await this.app.close();
  }
}
