import { isIP, SocketAddress } from 'node:net';

/** A range of addresses; a single address is a range of one. */
export interface IpRange {
  readonly address: string;
  /** How many leading bits count. */
  readonly prefix: number;
  readonly family: 'ipv4' | 'ipv6';
}

/** What an IPv4 address as a dual-stack listener sees it begins with: 96 bits. */
const MAPPED = '::ffff:';

/**
 * An IP address in its one spelling: lower case, shortened, without a zone, IPv4 where it is IPv4 mapped into IPv6.
 * Undefined for anything else.
 */
export function canonicalAddress(text: string): string | undefined {
  if (isIP(text) !== 6) return isIP(text) === 4 ? text : undefined;
  const { address } = new SocketAddress({ address: text, family: 'ipv6' });
  const tail = address.slice(MAPPED.length);
  return address.startsWith(MAPPED) && isIP(tail) === 4 ? tail : address;
}

/** Reads '10.0.0.0/8', '2001:db8::/32' or an address alone. Undefined for anything else. */
export function parseIpRange(text: string): IpRange | undefined {
  const [given = '', bits, ...rest] = text.split('/');
  const address = canonicalAddress(given);
  if (address === undefined || rest.length > 0) return undefined;
  const family = isIP(address) === 4 ? 'ipv4' : 'ipv6';
  const most = family === 'ipv4' ? 32 : 128;
  if (bits === undefined) return { address, prefix: most, family };
  // ::ffff:10.0.0.0/104 is 10.0.0.0/8.
  const prefix = Number(bits) - (isIP(given) === 6 && family === 'ipv4' ? 96 : 0);
  return /^\d{1,3}$/.test(bits) && prefix >= 0 && prefix <= most ? { address, prefix, family } : undefined;
}
