export type { Cancel, Clock } from '../core/clock.js';
export { FakeClock } from './fake-clock.js';
export { MemoryNetwork } from './memory-network.js';
export {
  createMemoryPools,
  type MemoryPools,
  type MemoryPoolsOptions,
  type RunningMemoryPools,
} from './memory-pools.js';
export { NpwsTestingModule, type NpwsTestingModuleOptions } from './npws-testing.module.js';
