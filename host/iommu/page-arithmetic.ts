import { absent } from '../../scheduler/present.js';

/**
 * Page numbers and offsets of addresses without a division: `2 ** bits` with a variable is a call into the C library,
 * and so is `%` of numbers beyond 32 bits. A product with a power of two is exact, and so is every result for an
 * address that a number holds: any below 2^53, and the first byte of a page of 4 KB up to 2^64.
 */
const MAX_BITS = 64;
const SIZE = Float64Array.from({ length: MAX_BITS + 1 }, (_, bits) => 2 ** bits);
const INVERSE = Float64Array.from({ length: MAX_BITS + 1 }, (_, bits) => 2 ** -bits);

/** Bytes of a page of 2^bits. */
export function pageSize(bits: number): number {
  return SIZE[bits] ?? absent();
}

/** Number of the page of 2^bits bytes that holds `address`. */
export function pageIndex(address: number, bits: number): number {
  return Math.floor(address * (INVERSE[bits] ?? absent()));
}

/** First byte of that page: an address of the same kind. */
export function pageStart<Address extends number>(address: Address, bits: number): Address {
  return (pageIndex(address, bits) * pageSize(bits)) as Address;
}

/** Where in that page `address` lies. */
export function pageOffset(address: number, bits: number): number {
  // The low bits of a number are taken exactly (ECMAScript, ToInt32), as `offsetInPage` does.
  return bits < 31 ? address & ((1 << bits) - 1) : address - pageStart(address, bits);
}

/** Pages of 4 KB from the beginning of the page of 2^bits bytes in which this one lies. */
export function pageWithin(page: number, bits: number): number {
  return bits === 12 ? 0 : pageOffset(page, bits - 12);
}

/** Number of the page of 2^bits bytes, at least 4 KB, in which the 4 KB page of this number lies. */
export function indexOfPage(page: number, bits: number): number {
  return bits === 12 ? page : pageIndex(page, bits - 12);
}

/** Whether `bytes` at an address touch a range; `end` is the first byte behind it. */
export function overlaps(address: number, bytes: number, start: number, end: number): boolean {
  return address < end && address + bytes > start;
}
