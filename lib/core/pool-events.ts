import type { CloseReason } from './closing.js';
import type { NpwsError, NpwsListenError } from './errors.js';
import type { LinkEnd } from './link.js';
import type { Rejection, Timed } from './measures.js';

/** Where a server listens, and for whom. */
export interface ListeningEvent {
  /** What clients dial, such as 'wss://127.0.0.1:8443'; the path alone when it is mounted on a server that does not listen yet. */
  readonly url: string;
  /** How many connections may be idle. */
  readonly maxCapacity: number;
  /** Who may come; empty lets in all. */
  readonly clientIP: readonly string[];
}

/** A link of a pool under the name of one use. */
export interface ConnectEvent {
  /** Its ID: for listeners that follow one connection, no metric label. */
  readonly id: string;
  /** 'host:port' of the other end. */
  readonly peer: string;
}

/** A link that ended, and how. */
export interface DisconnectEvent extends ConnectEvent, LinkEnd {
  /** Whether an application held it. */
  readonly used: boolean;
  /** Why it was closed: what `stats().closed` counts by. */
  readonly why: CloseReason;
}

/** The end of an outage. */
export interface RecoverEvent {
  /** Milliseconds since the first failed dial. */
  readonly after: number;
  /** How many dials failed. */
  readonly tries: number;
}

/** Somebody who was refused before the upgrade. */
export interface RejectEvent {
  /** What it was for: what `stats().rejections` counts by. */
  readonly why: Rejection;
  /** The HTTP status of the answer; 0 when there was none, as in a TLS hand-shake. */
  readonly status: number;
  /** Why, in a few words. */
  readonly reason: string;
  /** 'host:port' of the stranger. */
  readonly peer: string;
}

/** What the manager aims at from here on. */
export interface AdjustEvent {
  /** How many connections are kept idle. */
  readonly capacity: number;
  /** Milliseconds between two rounds of dialling. */
  readonly interval: number;
}

/** Who renewed certificates. */
export interface TlsUpdateEvent {
  /** A call of `updateTls()`, or the files of `tlsFiles`, which have changed. */
  readonly by: 'updateTls' | 'tlsFiles';
}

/** What a pool tells its listeners: event names and their arguments. None is named 'error', so none can crash. */
export interface PoolEvents {
  /** Something odd: about the options, told when the pool starts, or about certificate files that can't be used. */
  warning: [message: string];
  /** A server listens. */
  listening: [ListeningEvent];
  /** A link was set up and named. */
  connect: [ConnectEvent];
  /** A link came back from a use and was named anew, without a hand-shake. */
  reuse: [ConnectEvent];
  /** A link is gone. */
  disconnect: [DisconnectEvent];
  /** A dial failed. */
  dialError: [error: NpwsError];
  /** The first failed dial since things went well, and the first that fails for another reason. */
  outage: [error: NpwsError];
  /** A dial succeeded again. */
  recover: [RecoverEvent];
  /** A server refused somebody before the upgrade. */
  reject: [RejectEvent];
  /** The listener failed. */
  listenError: [error: NpwsListenError];
  /** A wait, a dial, a use or a ping is over, and took so many milliseconds: what `distributions()` counts. */
  timed: [what: Timed, ms: number];
  /** Capacity or interval were adjusted to demand. */
  adjust: [AdjustEvent];
  /** New connections use other certificates from here on. */
  tlsUpdate: [TlsUpdateEvent];
  /** The application counted an error. */
  errorAdded: [error: Error | null];
  /** The shutdown began. */
  drain: [];
  /** Nothing is left. */
  close: [];
  /** Some number in `stats()` may have changed. */
  change: [];
}
