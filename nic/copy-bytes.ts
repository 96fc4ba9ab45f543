import { absent } from '../scheduler/present.js';
import type { ViewCache } from './view-cache.js';

/** Below this a call into the engine costs more than the bytes (measured; a whole array is handed over as it is). */
const SHORT_BYTES = 64;

/** Copies byte by byte: for short runs; it makes no view. */
export function copyShort(
  from: Uint8Array,
  fromOffset: number,
  to: Uint8Array,
  toOffset: number,
  length: number,
): void {
  for (let index = 0; index < length; index += 1) to[toOffset + index] = from[fromOffset + index] ?? absent();
}

/**
 * Copies `length` bytes the cheaper way. The ranges must not overlap, and must lie in their arrays.
 *
 * @param views where views of parts are kept, if the same are copied again
 */
export function copyBytes(
  from: Uint8Array,
  fromOffset: number,
  to: Uint8Array,
  toOffset: number,
  length: number,
  views?: ViewCache,
): void {
  if (length === from.length && length > 8) to.set(from, toOffset);
  else if (length <= SHORT_BYTES) copyShort(from, fromOffset, to, toOffset, length);
  else if (views !== undefined) to.set(views.of(from, fromOffset, length), toOffset);
  else to.set(from.subarray(fromOffset, fromOffset + length), toOffset);
}
