import type { NpwsError, NpwsListenError } from './errors.js';
import type { LinkEnd } from './link.js';

/** What a pool tells its listeners: event names and their arguments. None is named 'error', so none can crash. */
export interface PoolEvents {
  /** Something odd: about the options, told when the pool starts, or about certificate files that can't be used. */
  warning: [message: string];
  /** A server listens. `url` is what clients dial; an empty `clientIP` lets in all. */
  listening: [{ url: string; maxCapacity: number; clientIP: readonly string[] }];
  /** A connection was set up and named. `id` is for listeners that follow one connection; it is no metric label. */
  connect: [{ id: string; peer: string }];
  /** A connection is gone; `used` tells whether an application held it. */
  disconnect: [{ id: string; peer: string; used: boolean } & LinkEnd];
  /** A dial failed. */
  dialError: [error: NpwsError];
  /** The first failed dial since things went well. */
  outage: [error: NpwsError];
  /** A dial succeeded again: how long after the first failure (ms) and how many failed. */
  recover: [{ after: number; tries: number }];
  /** A server refused somebody before the upgrade. */
  reject: [{ status: number; reason: string; peer: string }];
  /** The listener failed. */
  listenError: [error: NpwsListenError];
  /** Capacity or interval (ms) were adjusted to demand. */
  adjust: [{ capacity: number; interval: number }];
  /** New connections use other certificates from here on: by `updateTls()`, or as the files of `tlsFiles` have changed. */
  tlsUpdate: [{ by: 'updateTls' | 'tlsFiles' }];
  /** The application counted an error. */
  errorAdded: [error: Error | null];
  /** The shutdown began. */
  drain: [];
  /** Nothing is left. */
  close: [];
  /** Some number in `stats()` may have changed. */
  change: [];
}
