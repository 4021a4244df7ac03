import type { Server, Socket } from 'node:net';
import type { Address } from '../core/pool.js';

/** Who is at the far end. */
export interface Remote {
  /** The address, or undefined when it is not known. */
  readonly address: string | undefined;
  /** The port, or undefined when a proxy in between has not told it. */
  readonly port: number | undefined;
  /** For logs and events: 'host:port', and by which proxy. */
  readonly name: string;
}

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

/** Where a server listens; null when it does not, or on a Unix socket. */
export function addressOf(server: Server): Address | null {
  const address = server.address();
  return address && typeof address === 'object' ? { host: address.address, port: address.port } : null;
}

/** The far end of a socket. */
export function remoteOf({ remoteAddress, remotePort }: Socket): Remote {
  const address = remoteAddress && plainAddress(remoteAddress);
  return { address, port: remotePort, name: `${bracketed(address ?? '')}:${remotePort ?? 0}` };
}
