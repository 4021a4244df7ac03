export type { MeasuredPool } from '../metrics/pool-set.js';
export { observePools } from './exporter.js';
export { NpwsOpenTelemetryModule, type NpwsOpenTelemetryOptions } from './npws-opentelemetry.module.js';
