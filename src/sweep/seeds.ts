import { seedOfRun } from '../machine/seed-of-run.js';

/** The first seed, from which those of a study that names only their number are made. */
const FIRST_SEED = 1;

/** Seeds of so many runs, made from one; the first n are the same however many there are. */
export function runSeeds(seed: number, count: number): number[] {
  return Array.from({ length: count }, (_, run) => seedOfRun(seed, run));
}

/** Seeds of a study: those that it names, or so many. The first n are the same however many there are. */
export function seedsOf(seeds: number | readonly number[]): readonly number[] {
  if (typeof seeds !== 'number') return seeds;
  // Of 31 bits, which every reader of tables takes for whole numbers.
  return runSeeds(FIRST_SEED, seeds).map((seed) => seed & 0x7fffffff);
}

/** The seed at a place past the end of a list: one that is not in it, the same for the same list. */
export function furtherSeed(seeds: readonly number[], at: number): number {
  const known = new Set(seeds);
  let seed = FIRST_SEED;
  let past = seeds.length;
  for (let run = 0; past <= at; run += 1) {
    seed = seedOfRun(FIRST_SEED, run) & 0x7fffffff;
    if (known.has(seed)) continue;
    known.add(seed);
    past += 1;
  }
  return seed;
}
