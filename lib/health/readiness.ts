import { NpwsOptionsError, type PoolRole } from '../core/errors.js';
import { OptionReader } from '../core/option-reader.js';
import { DEFAULT_NAME } from '../core/options.js';
import type { PoolStats } from '../core/stats.js';

/** What readiness asks of a module's pools, besides that they are fit to serve. */
export interface Readiness {
  /** The module's name. Default 'default'. */
  readonly name?: string;
  /** The only role to ask. Default: each that is configured. */
  readonly role?: PoolRole;
  /** Not ready with fewer live idle connections. Default: no limit. */
  readonly minIdle?: number;
  /** Not ready when `errorCount()` exceeds this; 0 tolerates none. Default: the pool's own `maxErrors`. */
  readonly maxErrors?: number;
  /** Not ready when more gets wait; 0 tolerates none. Default: no limit. */
  readonly maxPending?: number;
}

/** The same with every default filled in. */
export interface ReadinessLimits {
  readonly name: string;
  readonly role: PoolRole | undefined;
  readonly minIdle: number;
  readonly maxErrors: number;
  readonly maxPending: number;
}

/** Fills in defaults; a name alone is the module's. Throws `NpwsOptionsError`. */
export function readReadiness(given: string | Readiness): ReadinessLimits {
  if (typeof given === 'string') return readReadiness({ name: given });
  const problems: string[] = [];
  const known = ['name', 'role', 'minIdle', 'maxErrors', 'maxPending'];
  const options = new OptionReader('readiness', given, known, problems);
  const limits = {
    name: options.string('name', 'the name of a module', () => true) ?? DEFAULT_NAME,
    role: options.has('role') ? options.choice<PoolRole>('role', ['client', 'server'], 'client') : undefined,
    minIdle: options.number('minIdle', { fallback: 0, zero: true }),
    maxErrors: options.number('maxErrors', { fallback: Infinity, zero: true }),
    maxPending: options.number('maxPending', { fallback: Infinity, zero: true }),
  };
  if (problems.length > 0) throw new NpwsOptionsError('NpwsHealthIndicator.check', problems);
  return limits;
}

/** What a pool lacks to be ready, or null. */
export function shortfallOf({ active, errors, waiting }: PoolStats, limits: ReadinessLimits): string | null {
  const { minIdle, maxErrors, maxPending } = limits;
  if (active < minIdle) return `${active} idle, less than minIdle (${minIdle})`;
  if (errors > maxErrors) return `${errors} errors, more than maxErrors (${maxErrors})`;
  return waiting > maxPending ? `${waiting} are waiting, more than maxPending (${maxPending})` : null;
}
