/** The stable codes of this package's errors: what a caller may switch on. */
export type NpwsErrorCode =
  | 'ERR_NPWS_ABORTED'
  | 'ERR_NPWS_BAD_ID'
  | 'ERR_NPWS_CLOSED'
  | 'ERR_NPWS_DIAL'
  | 'ERR_NPWS_DRAINING'
  | 'ERR_NPWS_HANDSHAKE'
  | 'ERR_NPWS_LISTEN'
  | 'ERR_NPWS_NOT_CONFIGURED'
  | 'ERR_NPWS_OPTIONS'
  | 'ERR_NPWS_TIMEOUT'
  | 'ERR_NPWS_TOO_MANY_WAITERS'
  | 'ERR_NPWS_TRUNCATED'
  | 'ERR_NPWS_UNUSED';

/** Which side of a pool pair: the client dials, the server listens. */
export type PoolRole = 'client' | 'server';

/** A pool as messages name it, at their beginning. */
export function labelOf(role: PoolRole, name: string): string {
  return `${role} pool '${name}'`;
}

/** A message without the pool's name before it, for where that is known. */
export function withoutLabel(message: string, label: string): string {
  return message.startsWith(`${label}: `) ? message.slice(label.length + 2) : message;
}

/** Every error that this package makes. `code` is stable, `message` is for people, `cause` is what lay beneath. */
export abstract class NpwsError extends Error {
  /** Stable: what to tell errors by. */
  abstract readonly code: NpwsErrorCode;

  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** Some options can't be used. `problems` names each one: the option, what was given, what is expected. */
export class NpwsOptionsError extends NpwsError {
  /** Stable: what to tell this error by. */
  readonly code = 'ERR_NPWS_OPTIONS';

  constructor(
    pool: string,
    /** Each names the option, what was given and what is expected. */
    readonly problems: readonly string[],
    options?: { cause?: unknown },
  ) {
    const list = problems.length === 1 ? problems.join() : `wrong options\n  - ${problems.join('\n  - ')}`;
    super(`${pool}: ${list}`, options);
  }
}

/** The ID is not 8 lower-case hex digits. */
export class NpwsBadIdError extends NpwsError {
  /** Stable: what to tell this error by. */
  readonly code = 'ERR_NPWS_BAD_ID';

  constructor(pool: string, given: unknown) {
    super(
      `${pool}: expected a connection's ID, 8 lower-case hex digits as in the other end's connection.id, got ${describe(given)}`,
    );
  }
}

/** What a pool looked like when somebody waited in vain. */
export interface PoolSnapshot {
  /** Live idle connections. */
  readonly idle: number;
  /** Connections that applications hold. */
  readonly used: number;
  /** Gets that wait. */
  readonly waiting: number;
  /** How many idle connections a client aims at; a server's maximum. */
  readonly capacity: number;
  /** The last failure to dial or to listen, or null when there was none since a connection came about. */
  readonly lastError: Error | null;
  /** How long ago that was, in milliseconds. */
  readonly lastErrorAge: number | null;
}

/** No connection (or no readiness) came in time. `snapshot` tells what the pool looked like. */
export class NpwsTimeoutError extends NpwsError {
  /** Stable: what to tell this error by. */
  readonly code = 'ERR_NPWS_TIMEOUT';

  constructor(
    pool: string,
    awaited: string,
    /** How long the wait was, in milliseconds. */
    readonly timeout: number,
    /** What the pool looked like at its end. */
    readonly snapshot: PoolSnapshot,
    hint: string,
  ) {
    const { idle, used, waiting, capacity, lastError, lastErrorAge } = snapshot;
    const seconds = ((lastErrorAge ?? 0) / 1000).toFixed(1);
    const blame = lastError ? ` Last failure ${seconds} s ago: ${withoutLabel(lastError.message, pool)}` : '';
    super(
      `${pool}: no ${awaited} within ${timeout} ms (idle ${idle}, used ${used}, waiting ${waiting}, capacity ${capacity}). ${hint}${blame}`,
      lastError ? { cause: lastError } : undefined,
    );
  }
}

/** The caller's AbortSignal ended the wait; `cause` is the signal's reason. */
export class NpwsAbortedError extends NpwsError {
  /** Stable: what to tell this error by. */
  readonly code = 'ERR_NPWS_ABORTED';

  constructor(pool: string, awaited: string, reason: unknown) {
    super(`${pool}: the wait for ${awaited} was aborted by its signal`, { cause: reason });
  }
}

/** The pool is closed and hands out nothing more. Streams that `close()` cuts, as their time was up, end with it too. */
export class NpwsClosedError extends NpwsError {
  /** Stable: what to tell this error by. */
  readonly code = 'ERR_NPWS_CLOSED';

  constructor(pool: string, what = 'it is closed and hands out nothing more') {
    super(`${pool}: ${what}`);
  }
}

/** The pool is shutting down: streams in use may finish, nothing new is handed out. */
export class NpwsDrainingError extends NpwsError {
  /** Stable: what to tell this error by. */
  readonly code = 'ERR_NPWS_DRAINING';

  constructor(pool: string) {
    super(`${pool}: it is shutting down and hands out nothing more`);
  }
}

/** This role of the module was not configured. */
export class NpwsNotConfiguredError extends NpwsError {
  /** Stable: what to tell this error by. */
  readonly code = 'ERR_NPWS_NOT_CONFIGURED';

  constructor(name: string, role: PoolRole) {
    super(
      `${labelOf(role, name)}: it is not configured: pass '${role}' to NpwsModule.forRoot() or forRootAsync()`,
    );
  }
}

/** As many are waiting as the option `maxWaiters` allows. */
export class NpwsTooManyWaitersError extends NpwsError {
  /** Stable: what to tell this error by. */
  readonly code = 'ERR_NPWS_TOO_MANY_WAITERS';

  constructor(pool: string, limit: number) {
    super(`${pool}: ${limit} are waiting already (maxWaiters): shed load, or keep more connections idle`);
  }
}

/** No way to the server: its name, TCP, TLS or time-out. `cause` is Node's error, if it was not time that ran out. */
export class NpwsDialError extends NpwsError {
  /** Stable: what to tell this error by. */
  readonly code = 'ERR_NPWS_DIAL';
}

/** The server was reached but did not become a peer: refused, not a WebSocket, or no proper ID. */
export class NpwsHandshakeError extends NpwsError {
  /** Stable: what to tell this error by. */
  readonly code = 'ERR_NPWS_HANDSHAKE';

  constructor(
    message: string,
    /** The HTTP status of a refusal, or null when it was something else. */
    readonly status: number | null,
    options?: { cause?: unknown },
  ) {
    super(message, options);
  }
}

/** The server pool can't listen. `cause` is Node's error. */
export class NpwsListenError extends NpwsError {
  /** Stable: what to tell this error by. */
  readonly code = 'ERR_NPWS_LISTEN';
}

/** The connection ended, but not by a clean close: bytes may be missing in either direction. */
export class NpwsTruncatedError extends NpwsError {
  /** Stable: what to tell this error by. */
  readonly code = 'ERR_NPWS_TRUNCATED';

  constructor(
    message: string,
    /** The WebSocket close code: 1006 when there was none. */
    readonly closeCode: number,
    options?: { cause?: unknown },
  ) {
    super(message, options);
  }
}

/**
 * The peer closed the connection while nobody there had it: no byte of this use reached an application. Taking another
 * one and saying everything again is safe. (A Go peer does not say so: its close is an end, or an `NpwsTruncatedError`.)
 */
export class NpwsConnectionUnusedError extends NpwsError {
  /** Stable: what to tell this error by. */
  readonly code = 'ERR_NPWS_UNUSED';
}

/** A value as an error message shows it: short, on one line, never a whole object. */
export function describe(value: unknown): string {
  // It may hold a private key.
  if (typeof value === 'string' && value.includes('-----BEGIN')) return 'PEM text';
  if (typeof value === 'string') return JSON.stringify(value.length > 64 ? `${value.slice(0, 64)}…` : value);
  if (typeof value === 'bigint') return `${value}n`;
  if (value === null || ['number', 'boolean', 'undefined'].includes(typeof value)) return String(value);
  if (Array.isArray(value)) return value.length === 0 ? '[]' : `an array of ${value.length}`;
  return typeof value === 'function' ? 'a function' : 'an object';
}
