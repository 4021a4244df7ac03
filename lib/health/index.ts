export { NpwsHealthIndicator, type RoleHealth } from './npws-health.indicator.js';
export { NpwsHealthModule } from './npws-health.module.js';
