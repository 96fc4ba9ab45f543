import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { percentilesOf } from '../../../src/experiments/frame-latencies.js';

describe('percentiles', () => {
  it('are values that were there, by nearest rank', () => {
    expect(percentilesOf([40, 10, 30, 20], [1, 25, 50, 75, 76, 100])).toEqual([10, 10, 20, 30, 40, 40]);
    expect(percentilesOf([7], [1, 99.9])).toEqual([7, 7]);
  });

  it('have the rank that arithmetic has where it is a whole number', () => {
    // 99.9 / 100 * 1000 is a hair above 999 in binary; of 1 to n the value is its rank.
    for (const [count, rank] of [
      [1_000, 999],
      [10_000, 9_990],
      [1_000_000, 999_000],
    ] as const) {
      const values = Array.from({ length: count }, (_, index) => index + 1);
      expect(percentilesOf(values, [99.9])).toEqual([rank]);
    }
  });

  it('have the least rank that so many tenths of a percent do not exceed', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2_000 }), fc.integer({ min: 1, max: 1_000 }), (count, tenths) => {
        const values = Array.from({ length: count }, (_, index) => index + 1);
        // In whole numbers: the first rank with rank / count >= tenths / 1000.
        const rank = Number((BigInt(tenths) * BigInt(count) + 999n) / 1_000n);
        expect(percentilesOf(values, [tenths / 10])).toEqual([rank]);
      }),
      { numRuns: 500 },
    );
  });
});
