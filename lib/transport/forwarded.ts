import type { IncomingMessage } from 'node:http';
import { canonicalAddress } from '../core/ip-range.js';
import { bracketed, type Remote, remoteOf } from './address.js';
import { createIpFilter, type IpFilter } from './ip-filter.js';

/** Tells who asks. */
export type RemoteOfRequest = (request: IncomingMessage) => Remote;

/**
 * Believes `X-Forwarded-For` of proxies at these addresses (checked before), of nobody else: what a client writes
 * into it stands to the left of what the proxies added.
 */
export function createRemoteOfRequest(trustProxy: readonly string[]): RemoteOfRequest {
  const isTrusted = createIpFilter(trustProxy);
  return ({ socket, headers }) => {
    const proxy = remoteOf(socket);
    const forwarded = headers['x-forwarded-for'];
    if (forwarded === undefined || !isTrusted(socket.remoteAddress)) return proxy;
    const address = clientOf(String(forwarded), isTrusted);
    return {
      address,
      port: undefined,
      name: `${address === undefined ? 'unknown' : bracketed(address)} (by way of ${proxy.name})`,
    };
  };
}

/**
 * The client that a trusted proxy's `X-Forwarded-For` names: from right to left the first that is no trusted proxy,
 * else the leftmost. Undefined when an entry on the way is no address: nothing to its left can be believed.
 */
export function clientOf(forwarded: string, isTrusted: IpFilter): string | undefined {
  let client: string | undefined;
  for (const entry of forwarded.split(',').reverse()) {
    client = addressIn(entry.replace(/^[ \t]+|[ \t]+$/g, ''));
    if (!isTrusted(client)) return client;
  }
  return client;
}

/** Some proxies add a port, and brackets to IPv6. */
function addressIn(entry: string): string | undefined {
  const [, ipv6, ipv4] = /^(?:\[([^\]]*)\]|([\d.]+))(?::\d{1,5})?$/.exec(entry) ?? [];
  return canonicalAddress(ipv6 ?? ipv4 ?? entry);
}
