/**
 * Spreads every bit of a 32-bit number over all 32: the finaliser of MurmurHash3 (A. Appleby, public domain).
 * It is a bijection, so different numbers stay different.
 */
export function mix32(value: number): number {
  let hash = value | 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
