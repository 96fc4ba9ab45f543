import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { difference, estimate, studentQuantile } from '../../../src/sweep/statistics.js';

describe('the quantile of Student', () => {
  // NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.2: upper critical values, 0.975 one-sided.
  test.each([
    [1, 12.706],
    [2, 4.303],
    [3, 3.182],
    [4, 2.776],
    [5, 2.571],
    [10, 2.228],
    [29, 2.045],
    [30, 2.042],
    [60, 2.0],
    [100, 1.984],
  ])('is the tabulated one for %i degrees of freedom', (degrees, expected) => {
    expect(studentQuantile(degrees, 0.95)).toBeCloseTo(expected, 3);
  });

  test('comes down to that of the normal distribution, 1.960', () => {
    expect(studentQuantile(100_000, 0.95)).toBeCloseTo(1.96, 3);
  });
});

describe('an estimate', () => {
  test('has the mean, interval and variation of a hand-known sample', () => {
    // 10, 12, 14: deviation 2, standard error 2 / sqrt 3, t = 4.3027.
    const { count, mean, halfWidth, coefficientOfVariation } = estimate([10, 12, 14]);
    expect([count, mean]).toEqual([3, 12]);
    expect(halfWidth).toBeCloseTo((4.3027 * 2) / Math.sqrt(3), 3);
    expect(coefficientOfVariation).toBeCloseTo(1 / 6, 12);
  });

  test('of one value has no interval', () => {
    expect(estimate([7])).toEqual({
      count: 1,
      mean: 7,
      halfWidth: undefined,
      coefficientOfVariation: undefined,
    });
  });

  test('keeps its digits far from zero', () => {
    const { halfWidth } = estimate([1e15, 1e15 + 2, 1e15 + 4]);
    expect(halfWidth).toBeCloseTo((4.3027 * 2) / Math.sqrt(3), 3);
  });

  test('covers the true mean in about 95 of 100 samples', () => {
    let state = 12345;
    const uniform = () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state / 2 ** 32;
    };
    let covered = 0;
    for (let trial = 0; trial < 4000; trial += 1) {
      // The sum of twelve uniforms less six is normal enough.
      const sample = Array.from({ length: 5 }, () =>
        Array.from({ length: 12 }, uniform).reduce((sum, one) => sum + one, -6),
      );
      const { mean, halfWidth = 0 } = estimate(sample);
      if (Math.abs(mean) <= halfWidth) covered += 1;
    }
    expect(covered / 4000).toBeGreaterThan(0.935);
    expect(covered / 4000).toBeLessThan(0.965);
  });
});

describe('a difference', () => {
  test('of pairs loses what both have in common', () => {
    const noise = [3, -8, 5, 1, 9];
    const { mean, halfWidth } = difference(
      noise.map((one) => one + 1),
      noise,
      true,
    );
    expect([mean, halfWidth]).toEqual([1, 0]);
  });

  test('without pairs is the one of Welch', () => {
    // Means 20 and 15; squared errors 4/3 and 25/3; Welch-Satterthwaite 2.61, so 2 degrees and t = 4.3027.
    const { mean, halfWidth } = difference([18, 20, 22], [10, 15, 20], false);
    expect(mean).toBe(5);
    expect(halfWidth).toBeCloseTo(4.3027 * Math.sqrt(29 / 3), 2);
  });

  test('changes its sign with its sides', () => {
    const sample = fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 2, maxLength: 9 });
    fc.assert(
      fc.property(sample, sample, fc.boolean(), (one, other, paired) => {
        const forth = difference(one, other, paired);
        const back = difference(other, one, paired);
        expect(back.mean).toBeCloseTo(-forth.mean, 3);
        expect(back.halfWidth).toBeCloseTo(forth.halfWidth ?? 0, 3);
      }),
    );
  });
});
