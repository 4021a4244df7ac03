export type { ClientPool } from './core/client-pool.js';
export type { CloseReason } from './core/closing.js';
export type { ConnectionInfo, ConnectionState } from './core/connection-info.js';
export { CONTROL_ID, type ConnectionId } from './core/connection-id.js';
export {
  NpwsAbortedError,
  NpwsBadIdError,
  NpwsClosedError,
  NpwsConnectionUnusedError,
  NpwsDialError,
  NpwsDrainingError,
  NpwsError,
  type NpwsErrorCode,
  NpwsHandshakeError,
  NpwsListenError,
  NpwsNotConfiguredError,
  NpwsOptionsError,
  NpwsTimeoutError,
  NpwsTooManyWaitersError,
  NpwsTruncatedError,
  type PoolRole,
  type PoolSnapshot,
} from './core/errors.js';
export type { Distribution, TimeStats } from './core/histogram.js';
export type { DialFailure, Rejection, TakeOutcome, Timed, Traffic } from './core/measures.js';
export type { LinkEnd } from './core/link.js';
export type { ClientPoolOptions, ClientTlsOptions, TlsMode } from './core/client-options.js';
export type { LogKind, LogLevel, LogOptions } from './core/log-options.js';
export type { NpwsOptions } from './core/options.js';
export type { PingMode, PoolOptions } from './core/pool-options.js';
export type { Mounting, ServerPlace, ServerPoolOptions, ServerPoolSettings } from './core/server-options.js';
export type { Address, Pool } from './core/pool.js';
export type {
  AdjustEvent,
  ConnectEvent,
  DisconnectEvent,
  ListeningEvent,
  PoolEvents,
  RecoverEvent,
  RejectEvent,
  TlsUpdateEvent,
} from './core/pool-events.js';
export type { ServerPool } from './core/server-pool.js';
export type { Health, PoolState, PoolStats } from './core/stats.js';
export type { Wait } from './core/waiters.js';
export type { TlsFiles, TlsUpdate } from './core/tls-options.js';
export { createClientPool, type CreatePoolOptions, createServerPool } from './create-pools.js';
export { ClientPoolService } from './nest/client-pool.service.js';
export { NpwsModule } from './nest/npws.module.js';
export type {
  NpwsModuleAsyncOptions,
  NpwsModuleExtras,
  NpwsModuleOptions,
  NpwsOptionsFactory,
} from './nest/npws.module-definition.js';
export type { PoolService } from './nest/pool.service.js';
export { ServerPoolService } from './nest/server-pool.service.js';
export { getClientPoolToken, getServerPoolToken, InjectClientPool, InjectServerPool } from './nest/tokens.js';
export { PoolConnection } from './transport/connection.js';
export { pinOf } from './transport/client-tls.js';
export type { TlsState } from './transport/tls-state.js';
