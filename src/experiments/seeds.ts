import { seedOfRun } from '../machine/seed-of-run.js';
import type { Spread } from '../report/metrics/spread.js';

export { seedOfRun } from '../machine/seed-of-run.js';

/** @param values one per seed, at least one */
export function spreadOf(values: readonly number[]): Spread {
  return {
    mean: rounded(mean(values)),
    least: rounded(Math.min(...values)),
    most: rounded(Math.max(...values)),
  };
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}

/** To four places; adding zero makes a minus zero, which JSON cannot carry, a zero. */
export function rounded(value: number): number {
  return Math.round(value * 1e4) / 1e4 + 0;
}

/** Does something with the seed of each of so many runs. */
export function withSeeds<T>(seed: number, count: number, once: (seed: number) => T): T[] {
  return Array.from({ length: count }, (_, run) => once(seedOfRun(seed, run)));
}
