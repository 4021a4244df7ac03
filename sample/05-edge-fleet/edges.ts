import { text } from 'node:stream/consumers';
import {
  NotFoundException,
  type OnApplicationBootstrap,
  type OnModuleDestroy,
  ServiceUnavailableException,
} from '@nestjs/common';
import type { ServerPoolService } from 'nestjs-npws';
import { Caller } from '../parts/control-line.js';
import type { Reading } from './edge.js';

/** The edges that there may be. Each has a server pool of its own, so that no two can be taken for one another. */
export const EDGES: readonly string[] = Array.from({ length: 10 }, (_, edge) => `edge-${edge}`);

/** How long an edge may take to answer, in milliseconds. */
const PATIENCE = 2_000;

/** Asks the edges, each over its own pool. */
export class Edges implements OnApplicationBootstrap, OnModuleDestroy {
  readonly #lines: ReadonlyMap<string, Caller>;

  constructor(pools: readonly ServerPoolService[]) {
    this.#lines = new Map(pools.map((pool) => [pool.name, new Caller(pool)]));
  }

  /** The edges that can be asked now. */
  get present(): string[] {
    return EDGES.filter((name) => this.#lines.get(name)?.isReady);
  }

  /** Resolves when all of them can be asked. */
  async whenPresent(): Promise<void> {
    await Promise.all([...this.#lines.values()].map((line) => line.whenReady()));
  }

  onApplicationBootstrap(): void {
    for (const line of this.#lines.values()) line.start();
  }

  onModuleDestroy(): void {
    for (const line of this.#lines.values()) line.stop();
  }

  /** What an edge measures now. Answers 404 for one that there never is, 503 while it is away. */
  async read(name: string): Promise<Reading> {
    const line = this.#lines.get(name);
    if (!line) throw new NotFoundException(`there is no edge '${name}'`);
    if (!line.isReady) throw new ServiceUnavailableException(`${name} is away`);
    try {
      const connection = await line.call(AbortSignal.timeout(PATIENCE));
      connection.setTimeout(PATIENCE, () => connection.destroy());
      connection.end(); // nothing to say but that it is wanted
      return JSON.parse(await text(connection)) as Reading;
    } catch (error) {
      line.pool.addError(error as Error);
      throw new ServiceUnavailableException(`${name} went away`, { cause: error });
    }
  }
}
