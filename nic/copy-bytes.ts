/** Below about a cache line a native call costs more than the bytes. */
export const SHORT_BYTES = 64;

/** Copies byte by byte: for runs of at most SHORT_BYTES, which is also all that makes no view. */
export function copyShort(
  from: Uint8Array,
  fromOffset: number,
  to: Uint8Array,
  toOffset: number,
  length: number,
): void {
  for (let index = 0; index < length; index += 1) to[toOffset + index] = from[fromOffset + index] ?? 0;
}

/** Copies `length` bytes the cheaper way. The ranges must not overlap, and must lie in their arrays. */
export function copyBytes(
  from: Uint8Array,
  fromOffset: number,
  to: Uint8Array,
  toOffset: number,
  length: number,
): void {
  if (length <= SHORT_BYTES) copyShort(from, fromOffset, to, toOffset, length);
  else if (length === from.length) to.set(from, toOffset);
  else to.set(from.subarray(fromOffset, fromOffset + length), toOffset);
}
