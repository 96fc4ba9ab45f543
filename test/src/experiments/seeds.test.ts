import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seedOfRun } from '../../../src/machine/seed-of-run.js';
import { runSeeds } from '../../../src/sweep/seeds.js';

const RUNS = 8;
const SOURCES = 64;
/** As a machine gives its sources seeds, restated. */
const seedOfSource = (runSeed: number, source: number) => (runSeed ^ Math.imul(source + 1, 0x9e3779b1)) >>> 0;

const seeds = fc.integer({ min: 0, max: 2 ** 32 - 1 });

function sourceSeeds(runSeeds: readonly number[]): Set<number> {
  return new Set(
    runSeeds.flatMap((runSeed) =>
      Array.from({ length: SOURCES }, (_, source) => seedOfSource(runSeed, source)),
    ),
  );
}

describe('seeds of runs', () => {
  it('give each source of each run a seed of its own, with the seed of the stored results', () => {
    const all = runSeeds(1, RUNS);
    expect(sourceSeeds(all).size).toBe(RUNS * SOURCES);
    // No source has the bare seed either, with which a calibration before the runs may have been made.
    expect(sourceSeeds(all).has(1)).toBe(false);
  });

  it('never give two runs one seed, and are whole numbers of 32 bits', () => {
    fc.assert(
      fc.property(seeds, fc.nat(1_000), fc.nat(1_000), (seed, one, other) => {
        const [first, second] = [seedOfRun(seed, one), seedOfRun(seed, other)];
        expect(first).toBe(first >>> 0);
        expect(first === second).toBe(one === other);
      }),
      { numRuns: 500 },
    );
  });

  it('make no pattern that sources of different runs share, whatever the seed', () => {
    // Seeds of 32 bits meet by chance: 512 of them once in 30,000 times. A shared pattern makes dozens of pairs.
    fc.assert(
      fc.property(seeds, (seed) => {
        expect(sourceSeeds(runSeeds(seed, RUNS)).size).toBeGreaterThan(RUNS * SOURCES - 3);
      }),
      { numRuns: 300 },
    );
  });

  it('are the same for every point, and do not depend on how many runs there are', () => {
    const few = runSeeds(7, 3);
    expect(runSeeds(7, 5).slice(0, 3)).toEqual(few);
    expect(few).toEqual([0, 1, 2].map((run) => seedOfRun(7, run)));
  });
});
