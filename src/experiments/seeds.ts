import type { Spread } from '../report/metrics/spread.js';

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

/**
 * The seed of a run of a point; the same for each point, so that points differ only in what they are about.
 *
 * A machine gives its sources the run's seed, each changed by an exclusive or. Were runs told apart in such a linear
 * way too, source i of run j would have what source j of run i has. So the steps between runs go through the
 * finaliser of MurmurHash3 (A. Appleby, public domain), which is not linear and never takes two runs to one seed.
 *
 * @param run from 0
 */
export function seedOfRun(seed: number, run: number): number {
  let mixed = (seed + Math.imul(run + 1, 0x9e3779b9)) | 0;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

/** Does something with the seed of each of so many runs. */
export function withSeeds<T>(seed: number, count: number, once: (seed: number) => T): T[] {
  return Array.from({ length: count }, (_, run) => once(seedOfRun(seed, run)));
}
