import { type ClientPoolOptions, readClientOptions, type ResolvedClientOptions } from './client-options.js';
import { NpwsOptionsError } from './errors.js';
import { type LogOptions, readLogOptions, type ResolvedLogOptions } from './log-options.js';
import { OptionReader } from './option-reader.js';
import { readServerOptions, type ResolvedServerOptions, type ServerPoolOptions } from './server-options.js';

/** What the module's factory returns: one role or both. */
export interface NpwsOptions {
  /** Makes the module's client pool. */
  readonly client?: ClientPoolOptions;
  /** Makes the module's server pool. */
  readonly server?: ServerPoolOptions;
  /** How loud the module's log lines of each kind are; false for none. */
  readonly logs?: LogOptions | false;
}

/** The options of both roles, checked and frozen; null for a role that was not configured. */
export interface ResolvedOptions {
  readonly client: ResolvedClientOptions | null;
  readonly server: ResolvedServerOptions | null;
  readonly logs: ResolvedLogOptions;
}

/** The name of pools that were given none. */
export const DEFAULT_NAME = 'default';

/** What belongs to the module's registration. */
const BESIDE = ['name', 'isGlobal'];

/** Checks all options at once, fills in defaults, copies and freezes. Throws one `NpwsOptionsError` with every problem. */
export function resolveOptions(given: NpwsOptions, name = DEFAULT_NAME): ResolvedOptions {
  const problems: string[] = [];
  const root = new OptionReader('options', given, ['client', 'server', 'logs', ...BESIDE], problems);
  for (const extra of BESIDE) {
    if (root.has(extra))
      problems.push(`options.${extra}: it stands beside useFactory, not in what that returns`);
  }
  const client = root.has('client') ? readClientOptions(given.client, problems) : null;
  const server = root.has('server') ? readServerOptions(given.server, problems) : null;
  const logs = readLogOptions(root);
  if (problems.length > 0) throw new NpwsOptionsError(`pool '${name}'`, problems);
  return Object.freeze({ client, server, logs });
}
