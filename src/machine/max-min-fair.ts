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
  const open = demands.map((_, index) => index).filter((index) => (demands[index] ?? 0) > 0);
  // The one that asks for least per unit of weight is satisfied first.
  open.sort((i, j) => (demands[i] ?? 0) / (weights[i] ?? 1) - (demands[j] ?? 0) / (weights[j] ?? 1));
  let left = capacity;
  let weightLeft = open.reduce((sum, index) => sum + (weights[index] ?? 1), 0);
  for (const index of open) {
    const weight = weights[index] ?? 1;
    const share = Math.min(demands[index] ?? 0, (left * weight) / weightLeft);
    shares[index] = share;
    left -= share;
    weightLeft -= weight;
  }
  return shares;
}
