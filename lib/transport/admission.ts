import type { IncomingMessage } from 'node:http';
import type { Rejection } from '../core/measures.js';
import type { ResolvedServerOptions } from '../core/server-options.js';
import type { Remote } from './address.js';
import { createRemoteOfRequest, type RemoteOfRequest } from './forwarded.js';
import { createIpFilter, type IpFilter } from './ip-filter.js';

/** Why somebody is not let in: an HTTP answer. */
export interface Refusal {
  readonly status: number;
  readonly reason: string;
  /** What it counts as; 'request' unless said. */
  readonly why?: Rejection;
  readonly headers?: Readonly<Record<string, string>>;
}

export const NO_UPGRADE: Refusal = {
  status: 426,
  reason: 'upgrade required',
  headers: { Upgrade: 'websocket' },
};

const UNAUTHORIZED: Refusal = { status: 403, reason: 'unauthorized', why: 'address' };

/**
 * Judges strangers by everything but the pool's room. A wrong address comes first, whatever else is wrong, so that a
 * stranger learns nothing. What is left to ask after that is whether there is a slot (503).
 */
export class Admission {
  /** Who asks, seen through the proxies that are trusted. */
  readonly remoteOf: RemoteOfRequest;
  readonly #isAllowed: IpFilter;

  constructor(private readonly options: ResolvedServerOptions) {
    const { clientIP, trustProxy } = options;
    this.remoteOf = createRemoteOfRequest(trustProxy);
    this.#isAllowed = clientIP.length === 0 ? () => true : createIpFilter(clientIP);
  }

  /** What somebody hears instead of `refusal`. */
  answerTo({ address }: Remote, refusal: Refusal): Refusal {
    return this.#isAllowed(address) ? refusal : UNAUTHORIZED;
  }

  /** Why a request of `remote` is not to be upgraded, or null. */
  judge({ httpVersion, method, url = '', headers }: IncomingMessage, { address }: Remote): Refusal | null {
    const { path, allowedOrigins } = this.options;
    if (!this.#isAllowed(address)) return UNAUTHORIZED;
    if (method !== 'GET') return { status: 405, reason: 'method not allowed', headers: { Allow: 'GET' } };
    if (path !== undefined && url.split('?', 1)[0] !== path) return { status: 404, reason: 'not found' };
    // Another version of HTTP knows no such upgrade: a proxy that speaks it would break what follows.
    if (headers.upgrade?.toLowerCase() !== 'websocket' || httpVersion !== '1.1') return NO_UPGRADE;
    if (headers.origin !== undefined && !allowedOrigins.includes(headers.origin)) {
      return { status: 403, reason: 'origin not allowed', why: 'origin' };
    }
    if (headers['sec-websocket-version'] !== '13') {
      return { status: 400, reason: 'unsupported version', headers: { 'Sec-WebSocket-Version': '13' } };
    }
    if (!/^[+/0-9A-Za-z]{22}==$/.test(headers['sec-websocket-key'] ?? '')) {
      return { status: 400, reason: 'bad Sec-WebSocket-Key' };
    }
    // Up to Node 24 what follows is taken for frames, from Node 26 on for the body first.
    if (Number(headers['content-length'] ?? 0) > 0 || headers['transfer-encoding'] !== undefined) {
      return { status: 400, reason: 'a body is not allowed' };
    }
    return null;
  }
}
