import type { ModulesContainer } from '@nestjs/core';
import { PoolService } from './pool.service.js';

/** The pools of an application that are configured, in the order of its modules. */
export function findPools(modules: ModulesContainer): PoolService[] {
  const services = new Set<PoolService>();
  for (const { providers } of modules.values()) {
    for (const { instance } of providers.values()) {
      if (instance instanceof PoolService && instance.isConfigured) services.add(instance);
    }
  }
  return [...services];
}
