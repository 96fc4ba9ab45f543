import type { ContextId } from '../branded.js';
import { powerOfTwoFrom } from '../whole-logarithm.js';

/** The typed arrays that hold one number per context. */
export type ContextColumn = Uint8Array | Int32Array | Float64Array;

/** Smallest capacity, a power of two, that includes `context`. */
export function capacityFor(context: ContextId): number {
  return Math.max(64, powerOfTwoFrom(context + 1));
}

/** The column itself if it is long enough for `capacity` contexts, otherwise a longer copy padded with `fill`. */
export function widened<T extends ContextColumn>(column: T, capacity: number, fill = 0): T {
  if (column.length >= capacity) return column;
  const wider = new (column.constructor as new (length: number) => T)(capacity);
  wider.set(column);
  if (fill !== 0) wider.fill(fill, column.length);
  return wider;
}
