import { describe, expect, it } from '@jest/globals';
import { plainAddress } from '../../lib/transport/address.js';
import { createIpFilter } from '../../lib/transport/ip-filter.js';

describe('a list of addresses', () => {
  it.each([
    [[], '192.0.2.1', false],
    [['192.0.2.1'], '192.0.2.1', true],
    [['192.0.2.1'], '192.0.2.2', false],
    // What a dual-stack listener sees of an IPv4 client.
    [['192.0.2.1'], '::ffff:192.0.2.1', true],
    [['192.0.2.1'], '::ffff:192.0.2.2', false],
    [['::ffff:192.0.2.1'], '192.0.2.1', true],
    [['10.0.0.0/8'], '10.255.255.255', true],
    [['10.0.0.0/8'], '11.0.0.0', false],
    [['10.0.0.0/8'], '::ffff:10.1.2.3', true],
    [['::ffff:10.0.0.0/104'], '10.1.2.3', true],
    [['::ffff:10.0.0.0/104'], '11.1.2.3', false],
    [['2001:db8::/32'], '2001:db8:1::1', true],
    [['2001:db8::/32'], '2001:db9::1', false],
    [['::1'], '::1', true],
    [['::1'], '127.0.0.1', false],
    [['10.0.0.1', '2001:db8::1'], '2001:db8::1', true],
    [['0.0.0.0/0'], '8.8.8.8', true],
    [['0.0.0.0/0'], '2001:db8::1', false],
    [['::/0'], '2001:db8::1', true],
    [['::/0'], '8.8.8.8', false],
    [['::/8'], '::ffff:127.0.0.1', false],
    [['10.0.0.1'], undefined, false],
    [['10.0.0.1'], 'nonsense', false],
    [['::FFFF:0A00:0000/104'], '10.1.2.3', true],
    [['fe80::/10'], 'fe80::1%eth0', true],
    [['FE80::1'], 'fe80::1%2', true],
  ])('%j has %s: %p', (ranges, address, isListed) => {
    expect(createIpFilter(ranges)(address)).toBe(isListed);
  });

  it('shows an IPv4 client of a dual-stack listener as IPv4', () => {
    expect([plainAddress('::ffff:127.0.0.1'), plainAddress('::1')]).toEqual(['127.0.0.1', '::1']);
  });
});
