import type { IncomingMessage } from 'node:http';
import { Inject, Injectable, Logger } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import type { Observable } from 'rxjs';
import { describe } from '../core/errors.js';
import { onOneLine } from '../core/one-line.js';
import { findPools } from '../nest/find-pools.js';
import { type DashboardGuard, isLocal, isOfThisHost } from './admission.js';
import { watch } from './feed.js';
import { DASHBOARD_OPTIONS, type NpwsDashboardOptions } from './dashboard-options.js';

/** What a dashboard tells, and whom. */
@Injectable()
export class Dashboard {
  readonly #guard: DashboardGuard;
  readonly #logger = new Logger('NpwsDashboard');
  #frames: Observable<string> | undefined;

  constructor(
    @Inject(DASHBOARD_OPTIONS) { guard = isLocal }: NpwsDashboardOptions,
    @Inject(ModulesContainer) private readonly modules: ModulesContainer,
  ) {
    this.#guard = guard;
  }

  /** Whether whoever asks may see it. A guard that fails lets nobody in. */
  async letsIn(request: IncomingMessage): Promise<boolean> {
    try {
      return isOfThisHost(request) && (await this.#guard(request));
    } catch (error) {
      const why = onOneLine(error instanceof Error ? error.message : describe(error));
      this.#logger.error(`the guard failed, so nobody is let in: ${why}`);
      return false;
    }
  }

  /** All pools, as they are now and from now on, as JSON. */
  frames(): Observable<string> {
    // All of them are made by the time that somebody asks.
    return (this.#frames ??= watch(findPools(this.modules)));
  }
}
