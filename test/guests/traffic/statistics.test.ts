import { describe, expect, test } from 'vitest';
import {
  exponentialDurations,
  fixedSize,
  heavyTailed,
  IMIX,
  mixedSizes,
  onOff,
  paretoDurations,
  poisson,
  RandomStream,
} from '../../../guests/traffic/index.js';
import { EventKernel } from '../../../scheduler/event-kernel.js';
import { either } from '../../support/whole.js';
import { LOCAL, REMOTE, Recorder } from './recorder.js';

// Seeds are fixed, so nothing here is random from run to run. Each limit is the one that a right generator exceeds with one
// seed in a thousand; a seed that does would have to be reported, not replaced.

const draw = (count: number, next: () => number) => Array.from({ length: count }, next);
const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
const mean = (values: readonly number[]) => sum(values) / values.length;
const variance = (values: readonly number[]) => {
  const middle = mean(values);
  return sum(values.map((value) => (value - middle) ** 2)) / values.length;
};

/** Kolmogorov and Smirnov: largest distance of the empirical distribution from a continuous one, times sqrt(n). */
function kolmogorov(values: readonly number[], below: (value: number) => number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const distances = sorted.map((value, index) =>
    Math.max((index + 1) / sorted.length - below(value), below(value) - index / sorted.length),
  );
  return Math.max(...distances) * Math.sqrt(sorted.length);
}
/** Exceeded once in a thousand. */
const KOLMOGOROV_LIMIT = 1.95;

/** Correlation of two sequences of equal length, times sqrt(n): 3.29 is exceeded once in a thousand (both sides). */
function correlation(left: readonly number[], right: readonly number[]): number {
  const [a, b] = [mean(left), mean(right)];
  const together = mean(left.map((value, index) => (value - a) * ((right[index] ?? 0) - b)));
  return (together / Math.sqrt(variance(left) * variance(right))) * Math.sqrt(left.length);
}
const CORRELATION_LIMIT = 3.29;
const afterLags = (values: readonly number[], lag: number) =>
  correlation(values.slice(0, -lag), values.slice(lag));

const identity = { name: 's', sourceId: 9, source: LOCAL, destination: REMOTE };
/** 1,226 bytes are 1,250 byte-times: 100 us at 100 Mb/s, 1 us at 10 Gb/s. */
const BYTES = 1226;

function poissonTimes(seed: number, frameLimit: number): number[] {
  const kernel = new EventKernel();
  const sizes = fixedSize('s', BYTES);
  const recorder = new Recorder(
    kernel,
    poisson({ ...identity, kernel, sizes, wireRateBps: 1e8, seed, frameLimit }).frames$,
  );
  kernel.drain();
  return recorder.times;
}

const gapsOf = (times: readonly number[]) => times.slice(1).map((time, index) => time - (times[index] ?? 0));

/** How many instants fall into each of `windows` windows. */
function countsIn(times: readonly number[], windowNs: number, windows: number): number[] {
  const counts = new Array<number>(windows).fill(0);
  for (const time of times) {
    const window = Math.floor(time / windowNs);
    if (window < windows) counts[window] = (counts[window] ?? 0) + 1;
  }
  return counts;
}

describe('Poisson', () => {
  const times = poissonTimes(1, 20_001);

  test('gaps are exponential as a whole (Kolmogorov and Smirnov)', () => {
    expect(kolmogorov(gapsOf(times), (gap) => 1 - Math.exp(-gap / 100_000))).toBeLessThan(KOLMOGOROV_LIMIT);
  });

  test('gaps do not depend on those before, at lags of 1 to 20', () => {
    const gaps = gapsOf(times);
    for (let lag = 1; lag <= 20; lag += 1)
      expect(Math.abs(afterLags(gaps, lag)), `lag ${lag}`).toBeLessThan(4.06); // Once in a thousand for the twenty together.
  });

  test('counts of a window have the variance of their mean, for windows of 1 to 100 frames', () => {
    for (const frames of [1, 10, 100]) {
      const windows = 18_000 / frames;
      const counts = countsIn(times, frames * 100_000, windows);
      // The index of dispersion has a standard deviation of sqrt(2 / windows).
      const index = (variance(counts) / mean(counts) - 1) / Math.sqrt(2 / windows);
      expect(Math.abs(index), `${frames} frames`).toBeLessThan(3.29);
    }
  });

  test('sources of neighbouring seeds do not know of each other', () => {
    const counts = [1, 2, 3, 4].map((seed) => countsIn(poissonTimes(seed, 12_000), 1_000_000, 1_000));
    for (const [i, left] of counts.entries()) {
      for (const [j, right] of counts.entries())
        if (i < j)
          expect(Math.abs(correlation(left, right)), `${i} and ${j}`).toBeLessThan(CORRELATION_LIMIT);
    }
  });
});

describe('Pareto lengths', () => {
  test.each([1.2, 1.5, 2.5])('of shape %d have its distribution and its tail (Hill)', (shape) => {
    const durations = paretoDurations('d', 1_000_000_000, shape, new RandomStream(3));
    const drawn = draw(20_000, () => durations.next());
    const scale = (1e9 * (shape - 1)) / shape;
    expect(kolmogorov(drawn, (value) => 1 - (scale / Math.max(scale, value)) ** shape)).toBeLessThan(
      KOLMOGOROV_LIMIT,
    );
    // The maximum likelihood estimate of the shape from the 2,000 largest: a standard error of shape / sqrt(2,000).
    const largest = [...drawn].sort((a, b) => b - a).slice(0, 2_001);
    const least = largest.at(-1) ?? 1;
    const hill = 2_000 / sum(largest.slice(0, 2_000).map((value) => Math.log(value / least)));
    expect(Math.abs(hill / shape - 1) * Math.sqrt(2_000)).toBeLessThan(3.29);
    expect(Math.abs(afterLags(drawn.map(Math.log), 1))).toBeLessThan(CORRELATION_LIMIT);
  });
});

describe('the Internet mix', () => {
  test('pairs of neighbours are those of a shuffled deck: independent but for the cards that are gone', () => {
    const sizes = mixedSizes('m', IMIX, 5);
    const rounds = draw(6_000, () => 0).map(() => draw(12, () => sizes.next()));
    // The first card is any of the twelve; the second any of the other eleven.
    const cards = IMIX.flatMap(({ bytes, count }) => new Array<number>(count).fill(bytes));
    let statistic = 0;
    for (const { bytes: first, count } of IMIX) {
      for (const { bytes: second } of IMIX) {
        const rest = cards.filter((bytes) => bytes === second).length - (first === second ? 1 : 0);
        const expected = (rounds.length * (count / 12) * rest) / 11;
        const found = rounds.filter((round) => round[0] === first && round[1] === second).length;
        if (expected > 0) statistic += (found - expected) ** 2 / expected;
      }
    }
    // Eight pairs are possible: 7 degrees of freedom, 24.3 is exceeded once in a thousand.
    expect(statistic).toBeLessThan(24.3);
  });

  test('every place of a round has the same mix', () => {
    const sizes = mixedSizes('m', IMIX, 6);
    const rounds = draw(6_000, () => 0).map(() => draw(12, () => sizes.next()));
    for (let place = 0; place < 12; place += 1) {
      let statistic = 0;
      for (const { bytes, count } of IMIX) {
        const expected = (rounds.length * count) / 12;
        const found = rounds.filter((round) => round[place] === bytes).length;
        statistic += (found - expected) ** 2 / expected;
      }
      // 2 degrees of freedom, twelve places: 18.4 is exceeded once in ten thousand.
      expect(statistic, `place ${place}`).toBeLessThan(18.4);
    }
  });
});

/** Lengths of the bursts and of the silences of a source, ns: a silence is a gap of more than two frames. */
function burstsOf(
  times: readonly number[],
  frameNs: number,
): { readonly on: number[]; readonly off: number[] } {
  const on: number[] = [];
  const off: number[] = [];
  let began = times[0] ?? 0;
  for (const [index, gap] of gapsOf(times).entries()) {
    if (gap <= 2 * frameNs) continue;
    const ended = times[index] ?? 0;
    on.push(ended - began + frameNs);
    off.push(gap - frameNs);
    began = ended + gap;
  }
  return { on, off };
}

describe('on/off', () => {
  const bursts = {
    peakWireRateBps: 1e10,
    meanOnNs: 100_000,
    meanOffNs: 300_000,
    sizes: fixedSize('s', BYTES),
  };

  test('exponential: bursts and silences have their means and spreads, and do not depend on each other', () => {
    const kernel = new EventKernel();
    const source = onOff({ ...identity, kernel, ...bursts, lengths: 'exponential', seed: 2 });
    const recorder = new Recorder(kernel, source.frames$);
    kernel.run(either(1_000_000_000, 250_000_000));
    const { on, off } = burstsOf(recorder.times, 1_000);
    expect(on.length).toBeGreaterThan(either(2_000, 500));
    // A silence below two frames is not seen: what is seen is the rest of an exponential, which is one too.
    const limit = 3.29 / Math.sqrt(off.length);
    expect(Math.abs(mean(off.map((length) => length - 1_000)) / 300_000 - 1)).toBeLessThan(limit);
    expect(Math.abs(Math.sqrt(variance(off)) / 300_000 - 1)).toBeLessThan(limit * Math.SQRT2);
    // Frames are whole, so bursts are known to one of a hundred frames.
    expect(Math.abs(mean(on) / 100_000 - 1)).toBeLessThan(limit + 0.01);
    expect(Math.abs(correlation(on, off))).toBeLessThan(CORRELATION_LIMIT);
    expect(Math.abs(afterLags(off, 1))).toBeLessThan(CORRELATION_LIMIT);
  });

  test('Pareto: silences have the tail of their shape', () => {
    const kernel = new EventKernel();
    const source = heavyTailed({ ...identity, kernel, ...bursts, shape: 1.5, seed: 4 });
    const recorder = new Recorder(kernel, source.frames$);
    kernel.run(either(1_000_000_000, 250_000_000));
    const { off } = burstsOf(recorder.times, 1_000);
    // Pareto of shape 1.5 and mean 300 us begins at 100 us.
    expect(kolmogorov(off, (value) => 1 - (100_000 / Math.max(100_000, value)) ** 1.5)).toBeLessThan(
      KOLMOGOROV_LIMIT + 0.05,
    );
  });

  test('many heavy-tailed sources stay bursty in wide windows, memoryless ones do not', () => {
    /** Variance of the mean over windows that are ten times as wide, relative: 0.1 without memory, more with it. */
    const persistence = (shape: number) => {
      const totals = new Array<number>(4_000).fill(0);
      for (let seed = 0; seed < 12; seed += 1) {
        const random = new RandomStream(seed);
        const lengths = (meanNs: number) =>
          shape > 0 ? paretoDurations('d', meanNs, shape, random) : exponentialDurations('d', meanNs, random);
        const [on, off] = [lengths(100_000), lengths(300_000)];
        for (let atNs = 0; atNs < 4_000 * 100_000; ) {
          const endNs = atNs + on.next();
          for (
            let window = Math.floor(atNs / 100_000);
            window * 100_000 < endNs && window < 4_000;
            window += 1
          ) {
            const overlap = Math.min(endNs, (window + 1) * 100_000) - Math.max(atNs, window * 100_000);
            totals[window] = (totals[window] ?? 0) + overlap;
          }
          atNs = endNs + off.next();
        }
      }
      const wide = draw(400, () => 0).map((_, index) => mean(totals.slice(index * 10, index * 10 + 10)));
      return variance(wide) / variance(totals);
    };
    // Exponential silences of three windows leave a memory of about three windows; Pareto ones of shape 1.2 far more.
    expect(persistence(1.2)).toBeGreaterThan(1.5 * persistence(0));
  });
});
