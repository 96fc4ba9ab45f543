import { InvariantViolation } from './errors.js';

/**
 * Asserts that a value read from a column, list or map exists: `present(column[index])`.
 * Absence is a defect and fails at once, where `?? 0` would continue with a number that no cell holds.
 *
 * The value is passed, not the column and the index, because the engine then keeps separate type feedback for
 * each load. A shared `at(column, index)` sees every kind of typed array, and beyond four kinds costs ten
 * times as much per load (`npm run bench -- --only column-reads`).
 *
 * @throws InvariantViolation when the value is undefined.
 */
export function present<T>(value: T | undefined): T {
  if (value === undefined) return absent();
  return value;
}

/** Separate, so that the check itself is small enough to be inlined everywhere. */
export function absent(): never {
  throw new InvariantViolation('an index lies outside the column, or a key is not in the map');
}
