import type { OptionReader } from './option-reader.js';

/** How loud a line is: the methods of Nest's Logger. */
export type LogLevel = 'error' | 'warn' | 'log' | 'debug' | 'verbose';

/** What a module's pools write lines about, and how loud unless the options say otherwise; false: not at all. */
export const LOG_LEVELS = {
  /** A server listens or is mounted. */
  listening: 'log',
  /** A client has its first connection. */
  connected: 'log',
  /** Dials fail: the first of an outage, and the first that fails for another reason. */
  outage: 'warn',
  /** A dial succeeded again. */
  recovered: 'log',
  /** A server can't listen, or its listener failed. */
  listenError: 'error',
  /** A server refused somebody before the upgrade. */
  rejected: 'warn',
  /** A peer broke a rule of the protocol. */
  violation: 'warn',
  /** A connection died while nobody held it. When all do, `outage` tells why. */
  lost: false,
  /** Capacity or interval were adjusted to demand. */
  adjusted: false,
  /** New connections use other certificates. */
  certificates: 'log',
  /** Something odd: about the options, or about certificate files that can't be used. */
  warning: 'warn',
  /** The shutdown began. */
  draining: 'log',
  /** Nothing is left. */
  closed: 'log',
} as const satisfies Record<string, LogLevel | false>;

/** What lines are about. */
export type LogKind = keyof typeof LOG_LEVELS;

/** How loud the lines of each kind are; false: none are written. */
export type LogOptions = Readonly<Partial<Record<LogKind, LogLevel | false>>>;

/** The same with every default filled in. */
export type ResolvedLogOptions = Readonly<Record<LogKind, LogLevel | false>>;

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
