import { BlockList, isIPv4 } from 'node:net';
import { canonicalAddress, type IpRange, parseIpRange } from '../core/ip-range.js';

/** Whether an address is in one of some ranges. What is no address is in none. */
export type IpFilter = (address: string | undefined) => boolean;

/** `ranges` are addresses or CIDR ranges, checked before. */
export function createIpFilter(ranges: readonly string[]): IpFilter {
  // One list for each family: in a common one ::/0 would have every IPv4 address.
  const listed = { ipv4: new BlockList(), ipv6: new BlockList() };
  for (const range of ranges) {
    const { address, prefix, family } = parseIpRange(range) as IpRange;
    listed[family].addSubnet(address, prefix, family);
  }
  return (address) => {
    const plain = address === undefined ? undefined : canonicalAddress(address);
    if (plain === undefined) return false;
    const family = isIPv4(plain) ? 'ipv4' : 'ipv6';
    return listed[family].check(plain, family);
  };
}
