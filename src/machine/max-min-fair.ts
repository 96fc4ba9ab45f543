import { present } from '../../scheduler/present.js';

/**
 * The weighted max-min fair division of a capacity: none gets more than it asks for, and what it leaves is
 * shared by weight among the rest (water filling; Bertsekas and Gallager, Data Networks, section 6.5.2).
 *
 * @param demands what each asks for; Infinity for as much as possible.
 * @param weights one a demand, above 0.
 */
export function maxMinFair(
  demands: readonly number[],
  weights: readonly number[],
  capacity: number,
): number[] {
  const shares = new Array<number>(demands.length).fill(0);
  const open = demands.map((_, index) => index).filter((index) => present(demands[index]) > 0);
  // The one that asks for least per unit of weight is satisfied first.
  open.sort((i, j) => present(demands[i]) / present(weights[i]) - present(demands[j]) / present(weights[j]));
  let left = capacity;
  let weightLeft = open.reduce((sum, index) => sum + present(weights[index]), 0);
  for (const index of open) {
    const weight = present(weights[index]);
    const share = Math.min(present(demands[index]), (left * weight) / weightLeft);
    shares[index] = share;
    left -= share;
    weightLeft -= weight;
  }
  return shares;
}
