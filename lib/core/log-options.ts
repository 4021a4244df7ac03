import type { OptionReader } from './option-reader.js';

/** How loud a line is: the methods of Nest's Logger. */
export type LogLevel = 'error' | 'warn' | 'log' | 'debug' | 'verbose';

/** How loud the lines of each kind are; false: none are written. */
export interface LogOptions {
  /** A server listens or is mounted. Default 'log'. */
  readonly listening?: LogLevel | false;
  /** A client has its first connection. Default 'log'. */
  readonly connected?: LogLevel | false;
  /** Dials fail: the first of an outage, and the first that fails for another reason. Default 'warn'. */
  readonly outage?: LogLevel | false;
  /** A dial succeeded again. Default 'log'. */
  readonly recovered?: LogLevel | false;
  /** A server can't listen, or its listener failed. Default 'error'. */
  readonly listenError?: LogLevel | false;
  /** A server refused somebody before the upgrade. Default 'warn'. */
  readonly rejected?: LogLevel | false;
  /** A peer broke a rule of the protocol. Default 'warn'. */
  readonly violation?: LogLevel | false;
  /** A connection died while nobody held it; when all do, `outage` tells why. Default false. */
  readonly lost?: LogLevel | false;
  /** Capacity or interval were adjusted to demand. Default false. */
  readonly adjusted?: LogLevel | false;
  /** New connections use other certificates. Default 'log'. */
  readonly certificates?: LogLevel | false;
  /** Something odd: about the options, or about certificate files that can't be used. Default 'warn'. */
  readonly warning?: LogLevel | false;
  /** The shutdown began. Default 'log'. */
  readonly draining?: LogLevel | false;
  /** Nothing is left. Default 'log'. */
  readonly closed?: LogLevel | false;
}

/** What lines are about. */
export type LogKind = keyof LogOptions;

/** The same with every default filled in. */
export type ResolvedLogOptions = Readonly<Required<LogOptions>>;

/** How loud lines are unless the options say otherwise. */
export const LOG_LEVELS: ResolvedLogOptions = Object.freeze({
  listening: 'log',
  connected: 'log',
  outage: 'warn',
  recovered: 'log',
  listenError: 'error',
  rejected: 'warn',
  violation: 'warn',
  lost: false,
  adjusted: false,
  certificates: 'log',
  warning: 'warn',
  draining: 'log',
  closed: 'log',
});

const LEVELS: readonly unknown[] = ['error', 'warn', 'log', 'debug', 'verbose', false];

/** Reads the option `logs`; false writes no line at all. */
export function readLogOptions(root: OptionReader): ResolvedLogOptions {
  const kinds = Object.keys(LOG_LEVELS) as LogKind[];
  if (root.value('logs') === false)
    return Object.freeze(Object.fromEntries(kinds.map((kind) => [kind, false])) as ResolvedLogOptions);
  const logs = root.nested('logs', kinds);
  const level = (kind: LogKind): LogLevel | false => {
    const value = logs?.value(kind) ?? LOG_LEVELS[kind];
    if (LEVELS.includes(value)) return value as LogLevel | false;
    logs?.problem(kind, "'error', 'warn', 'log', 'debug', 'verbose' or false", value);
    return false;
  };
  return Object.freeze(Object.fromEntries(kinds.map((kind) => [kind, level(kind)])) as ResolvedLogOptions);
}
