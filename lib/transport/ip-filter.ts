import { BlockList, isIPv4 } from 'node:net';
import { canonicalAddress, type IpRange, parseIpRange } from '../core/ip-range.js';

/** Whether an address is in one of some ranges. What is no address is in none. */
export type IpFilter = (address: string | undefined) => boolean;

/** `ranges` are addresses or CIDR ranges, checked before. */
export function createIpFilter(ranges: readonly string[]): IpFilter {
  const listed = new BlockList();
  for (const range of ranges) {
    const { address, prefix, family } = parseIpRange(range) as IpRange;
    listed.addSubnet(address, prefix, family);
  }
  return (address) => {
    const plain = address === undefined ? undefined : canonicalAddress(address);
    // BlockList is silent about a family that does not fit its address: name the right one.
    return plain !== undefined && listed.check(plain, isIPv4(plain) ? 'ipv4' : 'ipv6');
  };
}
