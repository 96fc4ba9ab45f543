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

/**
 * The failure of `present`, for the packet path: `column[index] ?? absent()` checks the same, and a caller whose budget for
 * inlining is spent makes no call for it, which would allocate a number of 64 bits as an argument.
 *
 * @throws InvariantViolation always
 */
export function absent(): never {
  throw new InvariantViolation('an index lies outside the column, or a key is not in the map');
}
