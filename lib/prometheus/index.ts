export type { MeasuredPool } from '../metrics/pool-set.js';
export { type AnyRegistry, registerPools } from './exporter.js';
export { NpwsPrometheusModule, type NpwsPrometheusOptions } from './npws-prometheus.module.js';
