export type { DashboardGuard } from './admission.js';
export type { NpwsDashboardOptions, NpwsDashboardPlace } from './dashboard-options.js';
export type { DashboardFrame, PoolView } from './feed.js';
export { NpwsDashboardModule } from './npws-dashboard.module.js';
