import type { INestApplication, INestApplicationContext } from '@nestjs/common';
import { QuietLogger } from '../parts/quiet-logger.js';
import { startApp } from './app.js';
import { startHome } from './home.js';

/** The chat and its bot. In one process here, as this is a sample: the bot may be anywhere that can dial out. */
export class Site {
  private constructor(
    readonly app: INestApplication,
    readonly url: string,
    private readonly home: INestApplicationContext,
  ) {}

  /** Starts both, on a well-known port or a free one. */
  static async start(anyPort: boolean): Promise<Site> {
    const logger = new QuietLogger();
    const app = await startApp(anyPort ? 0 : 8080, logger);
    try {
      const url = await app.getUrl();
      return new Site(app, url, await startHome(new URL(url).host, logger));
    } catch (error) {
      await app.close();
      throw error;
    }
  }

  async stop(): Promise<void> {
    await this.home.close();
    await this.app.close();
  }
}
