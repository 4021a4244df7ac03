import { describe, expect, it } from '@jest/globals';
import { canonicalAddress } from '../../lib/core/ip-range.js';

describe('an address has one spelling', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['0.0.0.0', '0.0.0.0'],
    ['255.255.255.255', '255.255.255.255'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::FFFF:192.0.2.1', '192.0.2.1'],
    ['::ffff:c000:201', '192.0.2.1'],
    ['::FFFF:C000:0201', '192.0.2.1'],
    ['0:0:0:0:0:ffff:c000:201', '192.0.2.1'],
    ['0000:0000:0000:0000:0000:FFFF:192.0.2.1', '192.0.2.1'],
    ['2001:db8::1', '2001:db8::1'],
    ['2001:DB8::1', '2001:db8::1'],
    ['2001:0db8:0000:0000:0000:0000:0000:0001', '2001:db8::1'],
    ['::1', '::1'],
    ['0:0:0:0:0:0:0:1', '::1'],
    ['::', '::'],
    ['fe80::1%eth0', 'fe80::1'],
    ['FE80::A%2', 'fe80::a'],
    // Compatible is not mapped: another network.
    ['::192.0.2.1', '::192.0.2.1'],
    ['64:ff9b::192.0.2.1', '64:ff9b::c000:201'],
    ['', undefined],
    [' 192.0.2.1', undefined],
    ['192.0.2', undefined],
    ['192.0.2.256', undefined],
    ['192.0.2.01', undefined],
    ['0xc0.0.2.1', undefined],
    ['3221225985', undefined],
    ['192.0.2.1.', undefined],
    ['192.0.2.1%eth0', undefined],
    ['2001:db8::1::2', undefined],
    ['2001:db8:::1', undefined],
    ['::ffff:192.0.2.256', undefined],
    ['::fffff', undefined],
    ['[::1]', undefined],
    ['localhost', undefined],
    ['unknown', undefined],
    ['__proto__', undefined],
  ])('%j: %j', (text, expected) => {
    expect(canonicalAddress(text)).toBe(expected);
  });
});
