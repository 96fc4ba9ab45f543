/** Log2 of the least power of two that is at least `pages` (1 to 2^31). */
export function orderOf(pages: number): number {
  return 32 - Math.clz32(pages - 1);
}
