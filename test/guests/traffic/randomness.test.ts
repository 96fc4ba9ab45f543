import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { exponential, naturalLog } from '../../../guests/traffic/elementary-functions.js';
import {
  exponentialDurations,
  fixedDurations,
  IMIX,
  mixedSizes,
  paretoDurations,
  RandomStream,
} from '../../../guests/traffic/index.js';

const draw = (count: number, next: () => number) => Array.from({ length: count }, next);
const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

describe('elementary functions', () => {
  test('agree with those of the engine to 15 digits', () => {
    const close = (ours: number, theirs: number) =>
      Math.abs(ours - theirs) <= 4e-16 * Math.max(Math.abs(theirs), 1e-300);
    fc.assert(
      fc.property(fc.double({ min: 2 ** -60, max: 2 ** 60, noNaN: true }), (x) => {
        expect(close(naturalLog(x), Math.log(x)) || Math.abs(naturalLog(x) - Math.log(x)) < 1e-16).toBe(true);
      }),
      { numRuns: 2000 },
    );
    fc.assert(
      fc.property(fc.double({ min: -700, max: 700, noNaN: true }), (x) => {
        expect(Math.abs(exponential(x) / Math.exp(x) - 1)).toBeLessThan(1e-13);
      }),
      { numRuns: 2000 },
    );
    expect(naturalLog(1)).toBe(0);
    expect(exponential(0)).toBe(1);
  });
});

describe('random streams', () => {
  test('same seed, same numbers; another seed, others', () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer(), (one, other) => {
        const first = draw(4, () => 0).map((_, i) => i);
        const numbers = (seed: number) => {
          const random = new RandomStream(seed);
          return first.map(() => random.unit());
        };
        expect(numbers(one)).toEqual(numbers(one));
        if (one !== other) expect(numbers(one)).not.toEqual(numbers(other));
      }),
    );
  });

  test('the first numbers of neighbouring seeds are spread evenly', () => {
    const firsts = draw(4000, () => 0).map((_, seed) => new RandomStream(seed).unit());
    expect(Math.min(...firsts)).toBeGreaterThan(0);
    expect(Math.max(...firsts)).toBeLessThanOrEqual(1);
    // Chi-square over 16 bins, 15 degrees of freedom: 37.7 is passed by chance once in a thousand.
    const bins = new Array<number>(16).fill(0);
    for (const value of firsts)
      bins[Math.min(15, Math.floor(value * 16))] = (bins[Math.min(15, Math.floor(value * 16))] ?? 0) + 1;
    expect(bins.reduce((sum, count) => sum + (count - 250) ** 2 / 250, 0)).toBeLessThan(37.7);
  });
});

describe('durations', () => {
  const count = 40_000;

  test('exponential: mean, spread and quantiles are those of the distribution', () => {
    const durations = exponentialDurations('d', 1_000_000, new RandomStream(11));
    const drawn = draw(count, () => durations.next()).sort((a, b) => a - b);
    // Standard error of the mean is mean / sqrt(n) = 0.5 %; of the sample deviation about 0.7 %. Four of them.
    expect(Math.abs(mean(drawn) / 1e6 - 1)).toBeLessThan(0.02);
    expect(Math.abs(Math.sqrt(mean(drawn.map((x) => (x - 1e6) ** 2))) / 1e6 - 1)).toBeLessThan(0.03);
    for (const q of [0.1, 0.5, 0.9, 0.99]) {
      expect(Math.abs((drawn[Math.floor(q * count)] ?? 0) / (-1e6 * Math.log(1 - q)) - 1)).toBeLessThan(0.06);
    }
  });

  test('Pareto: mean (where the variance is finite) and tail are those of the distribution', () => {
    for (const shape of [1.5, 2.5, 4]) {
      const durations = paretoDurations('d', 1_000_000, shape, new RandomStream(5));
      const drawn = draw(count, () => durations.next()).sort((a, b) => a - b);
      const scale = (1e6 * (shape - 1)) / shape;
      expect(drawn[0]).toBeGreaterThanOrEqual(Math.floor(scale));
      for (const q of [0.1, 0.5, 0.9, 0.99]) {
        const theory = scale * (1 - q) ** (-1 / shape);
        expect(Math.abs((drawn[Math.floor(q * count)] ?? 0) / theory - 1)).toBeLessThan(0.06);
      }
      if (shape > 2) expect(Math.abs(mean(drawn) / 1e6 - 1)).toBeLessThan(0.03);
    }
  });

  test('impossible ones are refused by name', () => {
    expect(() => fixedDurations('d', -1)).toThrow(/^d: durationNs is -1/);
    expect(() => exponentialDurations('d', Number.NaN, new RandomStream(1))).toThrow(/^d: meanNs is NaN/);
    expect(() => paretoDurations('d', 5, 1, new RandomStream(1))).toThrow(
      /^d: shape is 1, expected a number above 1/,
    );
  });
});

describe('mixes of sizes', () => {
  test('each round holds each share exactly, in an order of its own', () => {
    const share = fc.record({
      bytes: fc.integer({ min: 14, max: 9018 }),
      count: fc.integer({ min: 1, max: 6 }),
    });
    fc.assert(
      fc.property(fc.array(share, { minLength: 1, maxLength: 5 }), fc.integer(), (shares, seed) => {
        const sizes = mixedSizes('m', shares, seed);
        const round = shares
          .flatMap(({ bytes, count }) => new Array<number>(count).fill(bytes))
          .sort((a, b) => a - b);
        for (let rounds = 0; rounds < 4; rounds += 1) {
          expect(draw(round.length, () => sizes.next()).sort((a, b) => a - b)).toEqual(round);
        }
        expect([sizes.minBytes, sizes.maxBytes]).toEqual([round[0], round.at(-1)]);
        const onWire = round.map((bytes) => Math.max(60, bytes) + 24);
        expect(sizes.meanWireBytes).toBeCloseTo(mean(onWire), 6);
      }),
    );
  });

  test('the Internet mix is 7 to 4 to 1, shuffled differently from round to round and from seed to seed', () => {
    const sizes = mixedSizes('m', IMIX, 1);
    const rounds = draw(20, () => 0).map(() => draw(12, () => sizes.next()));
    for (const round of rounds) {
      expect([54, 590, 1514].map((bytes) => round.filter((size) => size === bytes).length)).toEqual([
        7, 4, 1,
      ]);
    }
    expect(new Set(rounds.map((round) => round.join())).size).toBeGreaterThan(15);
    const other = mixedSizes('m', IMIX, 2);
    expect(draw(24, () => other.next())).not.toEqual(rounds.slice(0, 2).flat());
  });

  test('impossible ones are refused by name', () => {
    expect(() => mixedSizes('m', [], 1)).toThrow(/^m: sizes is 0 frames a round/);
    expect(() => mixedSizes('m', [{ bytes: 9019, count: 1 }], 1)).toThrow(/^m: sizes\[0\]\.bytes is 9019/);
    expect(() => mixedSizes('m', [{ bytes: 64, count: 0 }], 1)).toThrow(/^m: sizes\[0\]\.count is 0/);
  });
});
