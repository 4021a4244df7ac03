import { BlockList, isIP, isIPv4 } from 'node:net';
import { plainAddress } from './address.js';

/** Decides who may connect: `ranges` are addresses or CIDR ranges, both checked; none lets in all. */
export function createIpFilter(ranges: readonly string[]): (address: string | undefined) => boolean {
  if (ranges.length === 0) return () => true;
  const allowed = new BlockList();
  for (const range of ranges) {
    const [given = '', prefix] = range.split('/');
    const address = plainAddress(given);
    const family = isIPv4(address) ? 'ipv4' : 'ipv6';
    if (prefix === undefined) allowed.addAddress(address, family);
    // ::ffff:10.0.0.0/104 is 10.0.0.0/8.
    else allowed.addSubnet(address, Number(prefix) - (address === given ? 0 : 96), family);
  }
  return (address) => {
    const plain = plainAddress(address ?? '');
    // BlockList is silent about a family that does not fit its address: name the right one.
    return isIP(plain) !== 0 && allowed.check(plain, isIPv4(plain) ? 'ipv4' : 'ipv6');
  };
}
