import type { IncomingMessage } from 'node:http';
import { BlockList, isIP } from 'node:net';

/** Decides who may see the dashboard, of requests for the page and for its feed alike. */
export type DashboardGuard = (request: IncomingMessage) => boolean | Promise<boolean>;

/** Headers by which proxies tell for whom they ask. */
const OF_PROXIES = ['forwarded', 'via', 'x-forwarded-for', 'x-real-ip'];

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

/**
 * Lets in whoever asks from this machine, under a name of it, and not for somebody else: a proxy on this machine asks
 * from here too, and a web page can have a name of its own lead here.
 */
export const isLocal: DashboardGuard = ({ socket, headers }) => {
  const isForwarded = OF_PROXIES.some((name) => headers[name] !== undefined);
  return !isForwarded && isLoopback(socket.remoteAddress ?? '') && isLocalName(headers.host ?? '');
};

/** Whether a request for the feed comes from a page of this very host, or from no page at all. */
export function isOfThisHost({ headers: { origin, host } }: IncomingMessage): boolean {
  if (origin === undefined) return true;
  return URL.canParse(origin) && new URL(origin).host === host;
}

function isLoopback(address: string): boolean {
  const version = isIP(address);
  return version !== 0 && LOOPBACK.check(address, version === 6 ? 'ipv6' : 'ipv4');
}

function isLocalName(host: string): boolean {
  const name = host.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
  return name === 'localhost' || isLoopback(name);
}
