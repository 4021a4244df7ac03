import type { Socket } from 'node:net';

/** IPv4 addresses as a dual-stack listener sees them. */
const MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;

/** An address as people write it: an IPv4 client of a dual-stack listener is shown as IPv4. */
export function plainAddress(address: string): string {
  return MAPPED.exec(address)?.[1] ?? address;
}

/** A host as URLs write it: IPv6 in brackets. */
export function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

/** The far end of a socket as 'host:port', for logs and events. */
export function peerOf(socket: Socket): string {
  return `${plainAddress(socket.remoteAddress ?? '')}:${socket.remotePort ?? 0}`;
}
