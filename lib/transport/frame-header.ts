/** The first byte of a whole, unfragmented binary message without extensions (RFC 6455, section 5.2). */
export const FINAL_BINARY = 0x82;

/** The bit of the second byte that tells of a masking key. */
export const MASKED = 0x80;

/** The bytes of a masking key. */
export const KEY = 4;

/** What stands for the length when two bytes behind it tell it; whatever is larger, when eight do. */
export const LENGTH_IN_16_BITS = 126;

/** The bytes of a header, the key included, by the length in its second byte. */
export function headerOf(short: number, isMasked: boolean): number {
  const key = isMasked ? KEY : 0;
  if (short < LENGTH_IN_16_BITS) return 2 + key;
  return (short === LENGTH_IN_16_BITS ? 4 : 10) + key;
}
