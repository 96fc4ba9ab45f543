import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { maxMinFair } from '../../../src/machine/max-min-fair.js';

const accounts = fc.array(
  fc.record({
    demand: fc.oneof(fc.integer({ min: 0, max: 1000 }), fc.constant(Number.POSITIVE_INFINITY)),
    weight: fc.integer({ min: 1, max: 9 }),
  }),
  { minLength: 1, maxLength: 8 },
);
const capacity = fc.integer({ min: 0, max: 3000 });
const divide = (list: readonly { demand: number; weight: number }[], total: number) =>
  maxMinFair(
    list.map(({ demand }) => demand),
    list.map(({ weight }) => weight),
    total,
  );

describe('weighted max-min fair shares', () => {
  test('keep to the definition: none can have more without taking it from one that has no more per unit of weight', () => {
    fc.assert(
      fc.property(accounts, capacity, (list, total) => {
        const shares = divide(list, total);
        const used = shares.reduce((sum, share) => sum + share, 0);
        const wanted = list.reduce((sum, { demand }) => sum + demand, 0);
        expect(used).toBeCloseTo(Math.min(total, wanted), 6);
        for (const [i, { demand, weight }] of list.entries()) {
          const share = shares[i] ?? 0;
          expect(share).toBeGreaterThanOrEqual(0);
          expect(share).toBeLessThanOrEqual(demand + 1e-9);
          if (share >= demand - 1e-9) continue;
          // Unsatisfied: what any other has is no more per unit of weight.
          for (const [j, other] of list.entries()) {
            expect((shares[j] ?? 0) / other.weight).toBeLessThanOrEqual(share / weight + 1e-6);
          }
        }
      }),
      { numRuns: 1000 },
    );
  });

  test('are what pouring water drop by drop gives', () => {
    fc.assert(
      fc.property(accounts, fc.integer({ min: 0, max: 600 }), (list, total) => {
        // Drops go to the one that has least per unit of weight and still wants some.
        const drop = 1 / 16;
        const got = list.map(() => 0);
        for (let left = total; left > 1e-9; left -= drop) {
          let lowest = -1;
          for (const [i, { demand, weight }] of list.entries()) {
            if ((got[i] ?? 0) >= demand) continue;
            const level = (got[i] ?? 0) / weight;
            if (lowest < 0 || level < (got[lowest] ?? 0) / (list[lowest]?.weight ?? 1)) lowest = i;
          }
          if (lowest < 0) break;
          got[lowest] = (got[lowest] ?? 0) + drop;
        }
        for (const [i, share] of divide(list, total).entries()) {
          expect(Math.abs(share - (got[i] ?? 0))).toBeLessThanOrEqual(list.length * drop);
        }
      }),
      { numRuns: 100 },
    );
  });

  test('do not depend on the order of the parties', () => {
    fc.assert(
      fc.property(accounts, capacity, (list, total) => {
        const forward = divide(list, total);
        const backward = divide([...list].reverse(), total).reverse();
        for (const [i, share] of forward.entries()) expect(backward[i]).toBeCloseTo(share, 6);
      }),
    );
  });

  test('examples by hand', () => {
    expect(maxMinFair([2, 2.6, 4, 5], [1, 1, 1, 1], 10)).toEqual(
      [2, 2.6, 2.7, 2.7].map((x) => expect.closeTo(x, 9)),
    );
    expect(maxMinFair([Infinity, Infinity], [1, 3], 100)).toEqual([25, 75]);
    expect(maxMinFair([10, Infinity], [1, 1], 5)).toEqual([2.5, 2.5]);
    expect(maxMinFair([0, 7], [5, 1], 100)).toEqual([0, 7]);
    expect(maxMinFair([], [], 100)).toEqual([]);
  });
});
