import { InvariantViolation } from './errors.js';

/**
 * What was read from a column, list or map, of which this code knows that it is there: `present(column[index])`.
 * Absence is a defect of ours and fails at once, where `?? 0` would go on with a number that no cell holds.
 *
 * The value is passed and not the column with the index, because the engine then keeps what it has learnt about
 * each load to itself. A shared `at(column, index)` sees every kind of typed array, and past four kinds costs ten
 * times as much per load (`npm run bench -- --only column-reads`).
 *
 * @throws InvariantViolation when the value is undefined.
 */
export function present<T>(value: T | undefined): T {
  if (value === undefined) return absent();
  return value;
}

/** Apart, so that the check itself is small enough to be inlined everywhere. */
function absent(): never {
  throw new InvariantViolation('an index lies outside the column, or a key is not in the map');
}
