import type { ModulesContainer } from '@nestjs/core';
import { PoolService } from './pool.service.js';

/** What Nest knows of every provider of an application, in the order of its modules. */
export function providersOf(modules: ModulesContainer): { metatype: unknown; instance: unknown }[] {
  return [...modules.values()].flatMap(({ providers }) => [...providers.values()]);
}

/** The pools of an application that are configured, in the order of its modules. */
export function findPools(modules: ModulesContainer): PoolService[] {
  const pools = providersOf(modules).flatMap(({ instance }) =>
    instance instanceof PoolService && instance.isConfigured ? [instance] : [],
  );
  return [...new Set(pools)];
}
