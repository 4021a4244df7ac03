import { Inject, Injectable } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { type HealthIndicatorResult, HealthIndicatorService } from '@nestjs/terminus';
import type { CloseReason } from '../core/closing.js';
import type { PoolRole } from '../core/errors.js';
import { DEFAULT_NAME } from '../core/options.js';
import type { Health, PoolStats } from '../core/stats.js';
import { getClientPoolToken, getServerPoolToken } from '../nest/tokens.js';
import type { PoolService } from '../nest/pool.service.js';
import { type Readiness, readReadiness, shortfallOf } from './readiness.js';

/** What a check tells of one role. */
export interface RoleHealth extends Record<string, unknown> {
  /** 'client' or 'server'. */
  role: PoolRole;
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
  /** Gets that wait. */
  waiting: number;
  /** Links (WebSockets) that were ever set up. */
  opened: number;
  /** How often one of them served again after a use. */
  reused: number;
  /** Links that were closed, by reason, of those reasons that there were. */
  closed: Partial<Record<CloseReason, number>>;
  /** As `errorCount()`. */
  errors: number;
  /** What is wrong with this role, or null. */
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
   * For readiness: up when every configured role of a module is fit to serve and meets what `readiness` asks of it (a
   * name alone is the module's), with numbers for each role. Down at once when the application begins to stop.
   * `degraded` (Terminus 12; up before it) when it serves, but a client's dials fail or a server has no client.
   * A name that nobody registered is down. Throws `NpwsOptionsError` for a limit that is none.
   */
  check<const K extends string>(key: K, readiness: string | Readiness = {}): HealthIndicatorResult<K> {
    const limits = readReadiness(readiness);
    const session = this.indicators.check(key);
    const services = this.#servicesOf(limits.name, limits.role);
    if (services.length === 0) return session.down(nobody(limits.name, limits.role));
    const checked = services.map(({ stats, health }) => {
      const shortfall = health.up ? shortfallOf(stats, limits) : null;
      return shortfall === null
        ? { stats, health }
        : { stats, health: { ...health, up: false, reason: shortfall } };
    });
    const details = Object.fromEntries(
      checked.map(({ stats, health }) => [stats.role, roleHealth(stats, health)]),
    );
    if (checked.some(({ health }) => !health.up)) return session.down(details);
    const isDegraded = checked.some(({ health }) => health.degraded);
    // Terminus 11 has no such thing.
    return isDegraded && 'degraded' in session ? session.degraded(details) : session.up(details);
  }

  /**
   * For liveness: down only for what a restart of this process would mend, that is, when a server pool has lost its
   * listener. It never depends on the far side, and stays up while the application stops.
   */
  live<const K extends string>(key: K, name = DEFAULT_NAME): HealthIndicatorResult<K> {
    const session = this.indicators.check(key);
    const services = this.#servicesOf(name);
    if (services.length === 0) return session.down(nobody(name));
    const details = Object.fromEntries(services.map(({ stats: { role, state } }) => [role, { state }]));
    const isLost = services.some(
      ({ stats: { role, state }, service }) => role === 'server' && state === 'running' && !service.ready(),
    );
    return isLost ? session.down(details) : session.up(details);
  }

  #servicesOf(name: string, role?: PoolRole): { service: PoolService; stats: PoolStats; health: Health }[] {
    const tokens = [getClientPoolToken(name), getServerPoolToken(name)];
    return tokens.flatMap((token) => {
      const service = this.#find(token);
      const [stats, health] = [service?.stats(), service?.health()];
      if (!service || !stats || !health || (role && service.role !== role)) return [];
      return [{ service, stats, health }];
    });
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

function nobody(name: string, role?: PoolRole): string {
  return `no ${role ? `${role} ` : ''}pool is configured under the name '${name}'`;
}

function roleHealth(stats: PoolStats, { reason }: Health): RoleHealth {
  const { role, state, active, capacity, interval, used, waiting, opened, reused, errors } = stats;
  const closed = Object.fromEntries(Object.entries(stats.closed).filter(([, count]) => count > 0));
  return { role, state, active, capacity, interval, used, waiting, opened, reused, closed, errors, reason };
}
