import type { OptionReader } from './option-reader.js';
import type { ResolvedTlsFiles, TlsFiles } from './tls-options.js';

/** Which quiet connections are pinged: see docs/proxies.md. */
export type PingMode = 'auto' | 'always' | 'off';

/** What both roles take. Times are in milliseconds. Omitted or 0 takes the default unless 0 has a meaning of its own. */
export interface PoolOptions {
  /** How many connections may be idle. Those in use do not count. Default 1. */
  readonly maxCapacity?: number;
  /** The time between signs of life of a quiet connection, jittered; at least 1,000. Default 25,000. */
  readonly keepAlive?: number;
  /** 'auto' pings peers that are known to read, 'always' all (for proxies that cut quiet tunnels). Default 'auto'. */
  readonly ping?: PingMode;
  /** The largest message accepted from the peer, in bytes. Default 16 MiB. */
  readonly maxPayload?: number;
  /** How long a get waits unless it says otherwise; 0 takes only what is there. Default 30,000. */
  readonly acquireTimeout?: number;
  /** How many may wait at once; more fail at once. Default 10,000. */
  readonly maxWaiters?: number;
  /** Keep '00000000' for `outgoingGet('00000000')` and have it issued again when it is lost. Default false. */
  readonly reserveControl?: boolean;
  /** How long a connection whose peer began to write waits to be taken by its ID. Default 30,000. */
  readonly claimTimeout?: number;
  /**
   * The newest protocol to speak: 2 (half-close, and links that are used again and again) with peers that know it, 1 with
   * all others and if it is 1 here. Default 2.
   */
  readonly protocol?: 1 | 2;
  /** Whether a connection can still be written to when the peer has ended, as in `net.Socket`. Default true. */
  readonly allowHalfOpen?: boolean;
  /** How many uses a link may serve before it is closed; protocol 2. Default: no limit. */
  readonly maxUses?: number;
  /** How long a link may serve, give or take 10 %; protocol 2. It is closed after a use or while idle. Default 1,800,000. */
  readonly maxLifetime?: number;
  /** How long a link may be idle before it is closed; protocol 2. Default: no limit. */
  readonly maxIdle?: number;
  /** How long `close()` lets streams in use finish; 0 cuts them at once. Default 5,000. */
  readonly drainTimeout?: number;
  /** Health is down when `errorCount()` exceeds this; 0 tolerates none. Default: no limit. */
  readonly maxErrors?: number;
  /** PEM files for `key`, `cert` and `ca` instead of `tls`; they are watched, so that certificates can be renewed. */
  readonly tlsFiles?: TlsFiles;
  /** Whether the Nest module starts the pool at boot. Default true. */
  readonly autoStart?: boolean;
}

/** What both roles take, with every default filled in. */
export interface ResolvedPoolOptions {
  readonly maxCapacity: number;
  readonly keepAlive: number;
  readonly ping: PingMode;
  readonly maxPayload: number;
  readonly acquireTimeout: number;
  readonly maxWaiters: number;
  readonly reserveControl: boolean;
  readonly claimTimeout: number;
  readonly protocol: 1 | 2;
  readonly allowHalfOpen: boolean;
  readonly maxUses: number;
  readonly maxLifetime: number;
  readonly maxIdle: number;
  readonly drainTimeout: number;
  readonly maxErrors: number;
  readonly autoStart: boolean;
  readonly tlsFiles: ResolvedTlsFiles | undefined;
  /** What is odd about these options but not wrong; said once at start. */
  readonly warnings: readonly string[];
}

/** The names of what both roles take. */
export const POOL_OPTIONS = [
  'maxCapacity', 'keepAlive', 'ping', 'maxPayload', 'acquireTimeout', 'maxWaiters', 'reserveControl',
  'claimTimeout', 'protocol', 'allowHalfOpen', 'maxUses', 'maxLifetime', 'maxIdle', 'drainTimeout', 'maxErrors', 'autoStart', 'tls', 'tlsFiles', 'path',
]; // prettier-ignore

/** Reads what means the same in both roles. */
export function readPoolOptions(
  options: OptionReader,
): Omit<ResolvedPoolOptions, 'maxCapacity' | 'tlsFiles' | 'warnings'> {
  return {
    keepAlive: options.number('keepAlive', {
      fallback: 25_000,
      min: 1_000,
      unit: 'ms',
      hint: 'milliseconds?',
    }),
    ping: options.choice('ping', ['auto', 'always', 'off'], 'auto'),
    maxPayload: options.number('maxPayload', { fallback: 16 * 1024 * 1024 }),
    acquireTimeout: options.number('acquireTimeout', { fallback: 30_000, unit: 'ms', zero: true }),
    maxWaiters: options.number('maxWaiters', { fallback: 10_000 }),
    reserveControl: options.boolean('reserveControl', false),
    claimTimeout: options.number('claimTimeout', { fallback: 30_000, unit: 'ms' }),
    protocol: readProtocol(options),
    allowHalfOpen: options.boolean('allowHalfOpen', true),
    maxUses: options.number('maxUses', { fallback: Infinity }),
    maxLifetime: options.number('maxLifetime', { fallback: 1_800_000, unit: 'ms' }),
    maxIdle: options.number('maxIdle', { fallback: Infinity, unit: 'ms' }),
    drainTimeout: options.number('drainTimeout', { fallback: 5_000, unit: 'ms', zero: true }),
    maxErrors: options.number('maxErrors', { fallback: Infinity, zero: true }),
    autoStart: options.boolean('autoStart', true),
  };
}

function readProtocol(options: OptionReader): 1 | 2 {
  const value = options.value('protocol') ?? 2;
  if (value === 1 || value === 2) return value;
  options.problem('protocol', '1 or 2', value);
  return 2;
}

/** Whether a text is the path of a request. */
export function isPath(value: string): boolean {
  return /^\/[\x21-\x7e]*$/.test(value) && !value.includes('#');
}
