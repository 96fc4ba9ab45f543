import { seedOfRun } from '../machine/seed-of-run.js';
import { mean, rounded } from './reference-figure.js';

export { seedOfRun } from '../machine/seed-of-run.js';

/** What runs with several seeds gave. */
export interface Spread {
  readonly mean: number;
  readonly least: number;
  readonly most: number;
}

/** @param values one a seed, at least one */
export function spreadOf(values: readonly number[]): Spread {
  return {
    mean: rounded(mean(values)),
    least: rounded(Math.min(...values)),
    most: rounded(Math.max(...values)),
  };
}

/** Does something with the seed of each of so many runs. */
export function withSeeds<T>(seed: number, count: number, once: (seed: number) => T): T[] {
  return Array.from({ length: count }, (_, run) => once(seedOfRun(seed, run)));
}

/** `12.3 (12.1-12.5)`; the mean alone where all seeds gave the same. */
export function spreadText({ mean: middle, least, most }: Spread, digits = 1): string {
  const low = plainText(least, digits);
  const high = plainText(most, digits);
  if (low === high) return plainText(middle, digits);
  return `${plainText(middle, digits)} (${low}${least < 0 ? ' to ' : '-'}${high})`;
}

/** With so many decimals, and without the sign that rounding leaves on a nought. */
export function plainText(value: number, digits: number): string {
  return value.toFixed(digits).replace(/^-(0(\.0+)?)$/u, '$1');
}

/** `12 to 34`, from the least to the most, whole numbers; one number where they are the same. */
export function spanText(values: readonly number[]): string {
  const low = plainText(Math.min(...values), 0);
  const high = plainText(Math.max(...values), 0);
  return low === high ? low : `${low} to ${high}`;
}
