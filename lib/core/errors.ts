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
  | 'ERR_NPWS_TRUNCATED';

/** Which side of a pool pair: the client dials, the server listens. */
export type PoolRole = 'client' | 'server';

/** Every error that this package makes. `code` is stable, `message` is for people, `cause` is what lay beneath. */
export abstract class NpwsError extends Error {
  abstract readonly code: NpwsErrorCode;

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** Some options can't be used. `problems` names each one: the option, what was given, what is expected. */
export class NpwsOptionsError extends NpwsError {
  readonly code = 'ERR_NPWS_OPTIONS';

  constructor(
    readonly problems: readonly string[],
    options?: ErrorOptions,
  ) {
    super(problems.length === 1 ? `${problems[0]}` : `options:\n  - ${problems.join('\n  - ')}`, options);
  }
}

/** The ID is not 8 lower-case hex digits. */
export class NpwsBadIdError extends NpwsError {
  readonly code = 'ERR_NPWS_BAD_ID';

  constructor(given: unknown) {
    super(`connection ID: expected 8 lower-case hex digits such as 'a1b2c3d4', got ${describe(given)}`);
  }
}

/** What a pool looked like when somebody waited in vain. */
export interface PoolSnapshot {
  readonly idle: number;
  readonly used: number;
  readonly waiting: number;
  readonly capacity: number;
  /** The last failure to dial or to listen, or null when there was none. */
  readonly lastError: Error | null;
  /** How long ago that was, in milliseconds. */
  readonly lastErrorAge: number | null;
}

/** No connection (or no readiness) came in time. `snapshot` tells what the pool looked like. */
export class NpwsTimeoutError extends NpwsError {
  readonly code = 'ERR_NPWS_TIMEOUT';

  constructor(
    pool: string,
    awaited: string,
    readonly timeout: number,
    readonly snapshot: PoolSnapshot,
  ) {
    const { idle, used, waiting, capacity, lastError, lastErrorAge } = snapshot;
    const blame = lastError
      ? `; last failure ${Math.round(lastErrorAge ?? 0)} ms ago: ${lastError.message}`
      : '';
    super(
      `${pool}: no ${awaited} within ${timeout} ms (idle ${idle}, used ${used}, waiting ${waiting}, capacity ${capacity}${blame})`,
      lastError ? { cause: lastError } : undefined,
    );
  }
}

/** The caller's AbortSignal ended the wait; `cause` is the signal's reason. */
export class NpwsAbortedError extends NpwsError {
  readonly code = 'ERR_NPWS_ABORTED';

  constructor(reason: unknown) {
    super('the wait was aborted by its signal', { cause: reason });
  }
}

/** The pool is closed and hands out nothing more. */
export class NpwsClosedError extends NpwsError {
  readonly code = 'ERR_NPWS_CLOSED';

  constructor(pool: string) {
    super(`${pool}: the pool is closed`);
  }
}

/** The pool is shutting down: streams in use may finish, nothing new is handed out. */
export class NpwsDrainingError extends NpwsError {
  readonly code = 'ERR_NPWS_DRAINING';

  constructor(pool: string) {
    super(`${pool}: the pool is draining`);
  }
}

/** This role of the module was not configured. */
export class NpwsNotConfiguredError extends NpwsError {
  readonly code = 'ERR_NPWS_NOT_CONFIGURED';

  constructor(name: string, role: PoolRole) {
    super(
      `${role} pool '${name}' is not configured: pass '${role}' to NpwsModule.forRoot() or forRootAsync()`,
    );
  }
}

/** As many are waiting as the option `maxWaiters` allows. */
export class NpwsTooManyWaitersError extends NpwsError {
  readonly code = 'ERR_NPWS_TOO_MANY_WAITERS';

  constructor(pool: string, limit: number) {
    super(`${pool}: ${limit} are waiting already (option 'maxWaiters')`);
  }
}

/** No way to the server: its name, TCP, TLS or time-out. `cause` is Node's error. */
export class NpwsDialError extends NpwsError {
  readonly code = 'ERR_NPWS_DIAL';
}

/** The server was reached but did not become a peer: refused, not a WebSocket, or no proper ID. */
export class NpwsHandshakeError extends NpwsError {
  readonly code = 'ERR_NPWS_HANDSHAKE';

  constructor(
    message: string,
    /** The HTTP status of a refusal, or null when it was something else. */
    readonly status: number | null,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** The server pool can't listen. `cause` is Node's error. */
export class NpwsListenError extends NpwsError {
  readonly code = 'ERR_NPWS_LISTEN';
}

/** The connection ended, but not by a clean close: bytes may be missing in either direction. */
export class NpwsTruncatedError extends NpwsError {
  readonly code = 'ERR_NPWS_TRUNCATED';

  constructor(
    message: string,
    /** The WebSocket close code: 1006 when there was none. */
    readonly closeCode: number,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** A value as an error message shows it: short, on one line, never a whole object. */
export function describe(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 64 ? `${value.slice(0, 64)}…` : value);
  if (typeof value === 'bigint') return `${value}n`;
  if (value === null || ['number', 'boolean', 'undefined'].includes(typeof value)) return String(value);
  if (Array.isArray(value)) return value.length === 0 ? '[]' : `an array of ${value.length}`;
  return typeof value === 'function' ? 'a function' : 'an object';
}
