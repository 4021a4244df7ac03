import { Inject, Injectable } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { type HealthIndicatorResult, HealthIndicatorService } from '@nestjs/terminus';
import type { CloseReason } from '../core/closing.js';
import { getClientPoolToken, getServerPoolToken } from '../nest/tokens.js';
import type { PoolService } from '../nest/pool.service.js';

/** What a check tells of one role. */
export interface RoleHealth extends Record<string, unknown> {
  /** 'client' or 'server'. */
  role: string;
  /** 'new', 'running', 'draining' or 'closed'. */
  state: string;
  /** Live idle connections. */
  active: number;
  /** How many idle connections a client aims at; a server's maximum. */
  capacity: number;
  /** Milliseconds between two rounds of dialling; 0 for a server. */
  interval: number;
  /** Connections that applications hold. */
  used: number;
  /** Links (WebSockets) that were ever set up. */
  opened: number;
  /** How often one of them served again after a use. */
  reused: number;
  /** Links that were closed, by reason, of those reasons that there were. */
  closed: Partial<Record<CloseReason, number>>;
  /** As `errorCount()`. */
  errors: number;
  /** Why this role is down, or null. */
  reason: string | null;
}

/** Tells Terminus how a module's pools are. */
@Injectable()
export class NpwsHealthIndicator {
  constructor(
    @Inject(HealthIndicatorService) private readonly indicators: HealthIndicatorService,
    @Inject(ModuleRef) private readonly modules: ModuleRef,
  ) {}

  /**
   * Up when every configured role of the module `name` is fit to serve, down otherwise, with numbers for each role.
   * Never throws: a name that nobody registered is down.
   */
  check<const K extends string>(key: K, name?: string): HealthIndicatorResult<K> {
    const session = this.indicators.check(key);
    const services = [getClientPoolToken(name), getServerPoolToken(name)].map((token) => this.#find(token));
    const details: Record<string, RoleHealth> = {};
    for (const service of services) {
      const health = service && roleHealth(service);
      if (health) details[health.role] = health;
    }
    const roles = Object.values(details);
    if (roles.length === 0)
      return session.down(`no pool is configured under the name '${name ?? 'default'}'`);
    return roles.every(({ reason }) => reason === null) ? session.up(details) : session.down(details);
  }

  #find(
    token: ReturnType<typeof getClientPoolToken> | ReturnType<typeof getServerPoolToken>,
  ): PoolService | null {
    try {
      return this.modules.get<PoolService>(token, { strict: false });
    } catch {
      return null;
    }
  }
}

function roleHealth(service: PoolService): RoleHealth | null {
  const stats = service.stats();
  if (!stats) return null;
  const { role, state, active, capacity, interval, used, opened, reused, errors } = stats;
  const closed = Object.fromEntries(Object.entries(stats.closed).filter(([, count]) => count > 0));
  const reason = service.health()?.reason ?? null;
  return { role, state, active, capacity, interval, used, opened, reused, closed, errors, reason };
}
