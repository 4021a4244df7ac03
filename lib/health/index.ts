export { NpwsHealthIndicator, type RoleHealth } from './npws-health.indicator.js';
export { NpwsHealthModule } from './npws-health.module.js';
export type { Readiness } from './readiness.js';
