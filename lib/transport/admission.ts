import type { IncomingMessage } from 'node:http';
import type { ResolvedServerOptions } from '../core/options.js';
import { createIpFilter } from './ip-filter.js';

/** Why somebody is not let in: an HTTP answer. */
export interface Refusal {
  readonly status: number;
  readonly reason: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export const NO_UPGRADE: Refusal = {
  status: 426,
  reason: 'upgrade required',
  headers: { Upgrade: 'websocket' },
};

/**
 * Judges a request by everything but the pool's room. A wrong address comes first, so that a stranger learns nothing.
 * What is left to ask after that is whether there is a slot (503).
 */
export function createAdmission(
  options: ResolvedServerOptions,
): (request: IncomingMessage) => Refusal | null {
  const isAllowed = createIpFilter(options.clientIP);
  return (request): Refusal | null => {
    const { method, url = '', headers, socket } = request;
    if (!isAllowed(socket.remoteAddress)) return { status: 403, reason: 'unauthorized' };
    if (method !== 'GET') return { status: 405, reason: 'method not allowed', headers: { Allow: 'GET' } };
    if (options.path !== undefined && url.split('?', 1)[0] !== options.path)
      return { status: 404, reason: 'not found' };
    if (headers.upgrade?.toLowerCase() !== 'websocket') {
      return NO_UPGRADE;
    }
    if (headers.origin !== undefined && !options.allowedOrigins.includes(headers.origin)) {
      return { status: 403, reason: 'origin not allowed' };
    }
    if (headers['sec-websocket-version'] !== '13') {
      return { status: 400, reason: 'unsupported version', headers: { 'Sec-WebSocket-Version': '13' } };
    }
    if (!/^[+/0-9A-Za-z]{22}==$/.test(headers['sec-websocket-key'] ?? '')) {
      return { status: 400, reason: 'bad Sec-WebSocket-Key' };
    }
    return null;
  };
}
