import { type NpwsError, NpwsHandshakeError, NpwsAbortedError, NpwsTimeoutError } from './errors.js';
import { type Distribution, Histogram, type TimeStats } from './histogram.js';

/** What is timed: the wait of a get, a dial up to the first ID, a use from check-out to its end, a ping and its pong. */
export type Timed = 'wait' | 'dial' | 'use' | 'ping';

/** How a get ended. */
export type TakeOutcome =
  /** There was an idle connection. */
  | 'immediate'
  /** It got one after a wait. */
  | 'waited'
  /** None came in time. */
  | 'timeout'
  /** Its signal gave up. */
  | 'aborted'
  /** The pool shuts down, or too many wait already. */
  | 'refused';

/** Why a dial failed. */
export type DialFailure =
  /** The name has no address, or could not be looked up. */
  | 'dns'
  /** No connection: nobody listens, no way there, or it was cut. */
  | 'unreachable'
  /** `dialTimeout`, or that of the operating system. */
  | 'timeout'
  /** TLS: a certificate, a pin, or no common ground. */
  | 'tls'
  /** 503: the server pool is full or shuts down. */
  | 'full'
  /** 429: this address has as many connections as it may have. */
  | 'limited'
  /** 401 or 403. */
  | 'forbidden'
  /** Another HTTP answer than an upgrade. */
  | 'http'
  /** No WebSocket, or no ID came over it. */
  | 'handshake';

/** Why a server refused somebody before the upgrade. */
export type Rejection =
  /** `clientIP`. */
  | 'address'
  /** `allowedOrigins`. */
  | 'origin'
  /** There was no room, or it shuts down. */
  | 'full'
  /** `maxPerAddress`. */
  | 'limited'
  /** `handshakeTimeout`, or `maxHandshakes`. */
  | 'timeout'
  /** The TLS hand-shake failed. */
  | 'tls'
  /** It was no proper request for an upgrade. */
  | 'request';

/** Payload of uses, without the hand-shake, IDs and frames around it. */
export interface Traffic {
  /** Bytes that came. */
  received: number;
  /** Bytes that were sent. */
  sent: number;
}

/** What a pool counts and times besides its connections: it grows only. */
export class Measures {
  readonly takes: Record<TakeOutcome, number> = {
    immediate: 0,
    waited: 0,
    timeout: 0,
    aborted: 0,
    refused: 0,
  };
  readonly dialFailures: Record<DialFailure, number> = {
    dns: 0, unreachable: 0, timeout: 0, tls: 0, full: 0, limited: 0, forbidden: 0, http: 0, handshake: 0,
  }; // prettier-ignore
  readonly rejections: Record<Rejection, number> = {
    address: 0, origin: 0, full: 0, limited: 0, timeout: 0, tls: 0, request: 0,
  }; // prettier-ignore
  readonly traffic: Traffic = { received: 0, sent: 0 };
  /** As `errorCount()`, but never reset. */
  errors = 0;
  /** Called with each time, for those who keep their own. */
  onTimed: ((what: Timed, ms: number) => void) | null = null;
  readonly #times: Record<Timed, Histogram> = {
    wait: new Histogram(),
    dial: new Histogram(),
    use: new Histogram(),
    ping: new Histogram(),
  };

  /** Something began at `since` and is over `now`. */
  timed(what: Timed, since: number, now: number): void {
    const ms = now - since;
    this.#times[what].record(ms, now);
    this.onTimed?.(what, ms);
  }

  /** A get came to nothing. */
  missed(error: unknown): void {
    if (error instanceof NpwsTimeoutError) this.takes.timeout++;
    else if (error instanceof NpwsAbortedError) this.takes.aborted++;
    else this.takes.refused++;
  }

  times(now: number): Record<Timed, TimeStats> {
    const { wait, dial, use, ping } = this.#times;
    return { wait: wait.stats(now), dial: dial.stats(now), use: use.stats(now), ping: ping.stats(now) };
  }

  distributions(): Record<Timed, Distribution> {
    const { wait, dial, use, ping } = this.#times;
    return {
      wait: wait.distribution(),
      dial: dial.distribution(),
      use: use.distribution(),
      ping: ping.distribution(),
    };
  }
}

/** What kind of failure a dial ended with. */
export function dialFailureOf(error: NpwsError): DialFailure {
  const { code = '' } = (error.cause ?? {}) as NodeJS.ErrnoException;
  if (error instanceof NpwsHandshakeError)
    return error.status === null ? 'handshake' : byStatus(error.status);
  if (error.cause === undefined || code === 'ETIMEDOUT') return 'timeout';
  if (code === 'ENOTFOUND' || code.startsWith('EAI_')) return 'dns';
  // System errors are one word; OpenSSL's and Node's for TLS are several, and a pin or a check of one's own has none.
  return code === '' || code.includes('_') || code === 'EPROTO' ? 'tls' : 'unreachable';
}

function byStatus(status: number): DialFailure {
  if (status === 503) return 'full';
  if (status === 429) return 'limited';
  return status === 401 || status === 403 ? 'forbidden' : 'http';
}
