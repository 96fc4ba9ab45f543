import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  constantRate,
  FrameVerifier,
  fixedSize,
  greedy,
  heavyTailed,
  imix,
  mixedSizes,
  onOff,
  poisson,
  TrafficError,
} from '../../../guests/traffic/index.js';
import { EventKernel } from '../../../scheduler/event-kernel.js';
import { runs } from '../../support/whole.js';
import { LOCAL, onWire, REMOTE, Recorder } from './recorder.js';

const identity = { name: 's', sourceId: 9, source: LOCAL, destination: REMOTE };
const rate = fc.oneof(
  fc.integer({ min: 1_000_000, max: 1_000_000_000 }),
  fc.constantFrom(1e9, 1e10, 4e11, 3e8 + 7),
);
const size = fc.integer({ min: 14, max: 9018 });

const gaps = (times: readonly number[]) => times.slice(1).map((time, n) => time - (times[n] ?? 0));

describe('constant rate', () => {
  test('frame n is sent when the frames before it would have passed, to the nanosecond', () => {
    fc.assert(
      fc.property(
        rate,
        size,
        fc.nat(1e9),
        fc.integer({ min: 1, max: 300 }),
        (wireRateBps, bytes, startNs, frames) => {
          const kernel = new EventKernel();
          const sizes = fixedSize('s', bytes);
          const source = constantRate({
            ...identity,
            kernel,
            sizes,
            wireRateBps,
            startNs,
            frameLimit: frames,
          });
          const recorder = new Recorder(kernel, source.frames$);
          kernel.drain();
          const exact = (n: number) => {
            const bits = BigInt(n) * BigInt(onWire(bytes)) * 8n * 1_000_000_000n;
            return startNs + Number((bits + BigInt(wireRateBps) - 1n) / BigInt(wireRateBps));
          };
          expect(recorder.times).toEqual(Array.from({ length: frames }, (_, n) => exact(n)));
          expect(recorder.completed).toBe(true);
          source.checkInvariants();
        },
      ),
      { numRuns: runs(100) },
    );
  });

  test('a mix of sizes takes as long as its bytes: 1 Gb/s of IMIX is full to the last frame', () => {
    const kernel = new EventKernel();
    const recorder = new Recorder(kernel, imix({ ...identity, kernel, wireRateBps: 1e9, seed: 4 }).frames$);
    kernel.run(10_000_000);
    let bytes = 0;
    for (const { atNs, bytes: frame } of recorder.sent) {
      expect(atNs).toBe(bytes * 8);
      bytes += onWire(frame.length);
    }
    expect(bytes * 8).toBeGreaterThan(10_000_000);
    expect(new Set(recorder.sizes)).toEqual(new Set([54, 590, 1514]));
  });

  test('a restart is never faster than the rate, and the numbers go on', () => {
    const kernel = new EventKernel();
    const source = constantRate({ ...identity, kernel, sizes: fixedSize('s', 1226), wireRateBps: 1e9 });
    const first = new Recorder(kernel, source.frames$);
    kernel.run(25_000);
    first.subscription.unsubscribe();
    expect(kernel.pending).toBe(0);
    source.checkInvariants();
    const second = new Recorder(kernel, source.frames$);
    kernel.run(65_000);
    second.subscription.unsubscribe();
    kernel.run(100_000);
    const third = new Recorder(kernel, source.frames$);
    kernel.run(110_000);
    // 1,250 bytes on the wire are 10 us at 1 Gb/s.
    expect(first.times).toEqual([0, 10_000, 20_000]);
    expect(second.times).toEqual([30_000, 40_000, 50_000, 60_000]);
    expect(third.times).toEqual([100_000, 110_000]);
    const verifier = new FrameVerifier();
    const numbers = [...first.sent, ...second.sent, ...third.sent].map(({ bytes }) => {
      expect(verifier.verify(bytes, 0, bytes.length)).toBe('good');
      return verifier.sequence;
    });
    expect(numbers).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  });

  test('ends before endNs, and completes at once for later subscribers', () => {
    const kernel = new EventKernel();
    const sizes = fixedSize('s', 1226);
    const source = constantRate({ ...identity, kernel, sizes, wireRateBps: 1e9, startNs: 5, endNs: 20_005 });
    const recorder = new Recorder(kernel, source.frames$);
    kernel.drain();
    expect(recorder.times).toEqual([5, 10_005]);
    expect(recorder.completed).toBe(true);
    expect(new Recorder(kernel, source.frames$).completed).toBe(true);
  });

  test('an observer that leaves from inside its own handler stops the source', () => {
    const kernel = new EventKernel();
    const source = constantRate({ ...identity, kernel, sizes: fixedSize('s', 60), wireRateBps: 1e9 });
    let seen = 0;
    const subscription = source.frames$.subscribe(() => {
      seen += 1;
      if (seen === 3) subscription.unsubscribe();
    });
    expect(kernel.drain(100)).toBe(3);
    expect(kernel.pending).toBe(0);
    source.checkInvariants();
  });

  test('two observers see the same frames; the source runs until both have left', () => {
    const kernel = new EventKernel();
    const source = constantRate({ ...identity, kernel, sizes: fixedSize('s', 1226), wireRateBps: 1e9 });
    const one = new Recorder(kernel, source.frames$);
    const two = new Recorder(kernel, source.frames$);
    kernel.run(10_000);
    one.subscription.unsubscribe();
    kernel.run(20_000);
    expect(one.times).toEqual([0, 10_000]);
    expect(two.times).toEqual([0, 10_000, 20_000]);
    two.subscription.unsubscribe();
    expect(kernel.pending).toBe(0);
  });
});

describe('Poisson', () => {
  const gapsOf = (seed: number) => {
    const kernel = new EventKernel();
    const options = {
      ...identity,
      kernel,
      sizes: fixedSize('s', 1226),
      wireRateBps: 1e8,
      seed,
      frameLimit: 20_001,
    };
    const recorder = new Recorder(kernel, poisson(options).frames$);
    kernel.drain();
    return gaps(recorder.times);
  };

  test('gaps have the mean of the rate, the spread of the exponential, and do not remember', () => {
    const drawn = gapsOf(21);
    // 1,250 bytes at 100 Mb/s: 100 us. 20,000 gaps: standard errors of 0.7 % for mean and correlation; four of them.
    const mean = drawn.reduce((sum, gap) => sum + gap, 0) / drawn.length;
    expect(Math.abs(mean / 100_000 - 1)).toBeLessThan(0.03);
    const variance = drawn.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / drawn.length;
    expect(Math.abs(Math.sqrt(variance) / mean - 1)).toBeLessThan(0.04);
    const products = drawn.slice(1).map((gap, n) => (gap - mean) * ((drawn[n] ?? 0) - mean));
    const correlation = products.reduce((sum, product) => sum + product, 0) / products.length / variance;
    expect(Math.abs(correlation)).toBeLessThan(0.03);
    for (const q of [0.25, 0.5, 0.75]) {
      const below = drawn.filter((gap) => gap < -100_000 * Math.log(1 - q)).length / drawn.length;
      expect(Math.abs(below - q)).toBeLessThan(0.015);
    }
  });

  test('same seed, same frames; another seed, others', () => {
    expect(gapsOf(1)).toEqual(gapsOf(1));
    expect(gapsOf(1)).not.toEqual(gapsOf(2));
  });

  test('with a mix of sizes the wire rate is met too', () => {
    const kernel = new EventKernel();
    const sizes = mixedSizes(
      's',
      [
        { bytes: 60, count: 3 },
        { bytes: 9018, count: 1 },
      ],
      3,
    );
    const recorder = new Recorder(
      kernel,
      poisson({ ...identity, kernel, sizes, wireRateBps: 2e8, seed: 8 }).frames$,
    );
    kernel.run(1e9);
    const bits = recorder.sizes.reduce((sum, bytes) => sum + 8 * onWire(bytes), 0);
    expect(Math.abs(bits / 2e8 - 1)).toBeLessThan(0.05);
  });
});

describe('on/off', () => {
  const burstOptions = (kernel: EventKernel) => ({
    ...identity,
    kernel,
    sizes: fixedSize('s', 1226),
    peakWireRateBps: 1e9,
  });

  test('fixed bursts: frames at the peak rate while on, none while off, and the mean rate is exact', () => {
    const kernel = new EventKernel();
    const source = onOff({
      ...burstOptions(kernel),
      meanOnNs: 25_000,
      meanOffNs: 75_000,
      lengths: 'fixed',
      seed: 0,
    });
    const recorder = new Recorder(kernel, source.frames$);
    kernel.run(200_000 - 1);
    // 10 us per frame; the frame that the first silence cuts off comes 5 us into the second burst.
    expect(recorder.times).toEqual([0, 10_000, 20_000, 105_000, 115_000]);
    kernel.run(10_000_000 - 1);
    // A quarter of 10 ms is on: 250 frames of 10 us.
    expect(recorder.times).toHaveLength(250);
    expect(recorder.times.every((time) => time % 100_000 < 25_000)).toBe(true);
  });

  test('whatever the figures, the long-run rate is peak x on / (on + off), to a frame a period', () => {
    const period = fc.integer({ min: 1000, max: 300_000 });
    fc.assert(
      fc.property(period, fc.nat(300_000), size, fc.nat(1e6), (meanOnNs, meanOffNs, bytes, startNs) => {
        const kernel = new EventKernel();
        const sizes = fixedSize('s', bytes);
        const options = {
          ...burstOptions(kernel),
          sizes,
          meanOnNs,
          meanOffNs,
          lengths: 'fixed' as const,
          seed: 0,
        };
        const recorder = new Recorder(kernel, onOff({ ...options, startNs }).frames$);
        const periods = 40;
        kernel.run(startNs + periods * (meanOnNs + meanOffNs) - 1);
        const frameNs = onWire(bytes) * 8;
        expect(recorder.sent).toHaveLength(Math.ceil((periods * meanOnNs) / frameNs));
      }),
      { numRuns: runs(100) },
    );
  });

  test('exponential and Pareto lengths keep the mean rate, and differ by seed', () => {
    const times = (kind: 'exponential' | 'pareto', seed: number) => {
      const kernel = new EventKernel();
      const options = { ...burstOptions(kernel), meanOnNs: 50_000, meanOffNs: 150_000, seed };
      const source =
        kind === 'pareto'
          ? heavyTailed({ ...options, shape: 2.5 })
          : onOff({ ...options, lengths: 'exponential' });
      const recorder = new Recorder(kernel, source.frames$);
      kernel.run(500_000_000);
      return recorder.times;
    };
    for (const kind of ['exponential', 'pareto'] as const) {
      // 2,500 periods; a quarter of 500 ms at 10 us per frame is 12,500 frames.
      expect(Math.abs(times(kind, 6).length / 12_500 - 1)).toBeLessThan(0.08);
      expect(times(kind, 6)).toEqual(times(kind, 6));
      expect(times(kind, 6)).not.toEqual(times(kind, 7));
    }
  });

  test('a heavier tail has the longer silences', () => {
    const longestSilence = (shape: number) => {
      const kernel = new EventKernel();
      const options = { ...burstOptions(kernel), meanOnNs: 50_000, meanOffNs: 50_000, shape, seed: 2 };
      const recorder = new Recorder(kernel, heavyTailed(options).frames$);
      kernel.run(200_000_000);
      return Math.max(...gaps(recorder.times));
    };
    expect(longestSilence(1.2)).toBeGreaterThan(4 * longestSilence(4));
  });
});

describe('greedy', () => {
  test('gives frames as often as asked, numbered, every byte right, until its limit', () => {
    const source = greedy({
      ...identity,
      sizes: mixedSizes(
        's',
        [
          { bytes: 60, count: 1 },
          { bytes: 1514, count: 1 },
        ],
        1,
      ),
      frameLimit: 1000,
    });
    const verifier = new FrameVerifier();
    for (let n = 0; n < 1000; n += 1) {
      const frame = source.pull()?.bytes;
      if (frame === undefined) throw new Error(`no frame ${n}`);
      expect(verifier.verify(frame, 0, frame.length)).toBe('good');
      expect([verifier.sourceId, verifier.sequence]).toEqual([9, n]);
    }
    expect(source.pull()).toBeUndefined();
  });
});

describe('impossible options are refused with source, field and value', () => {
  const kernel = new EventKernel();
  const sizes = fixedSize('s', 60);
  const base = { ...identity, kernel, sizes, seed: 1 };
  test.for([
    ['no rate', () => constantRate({ ...base, wireRateBps: 0 }), /^s: wireRateBps is 0, expected/],
    ['half a bit', () => poisson({ ...base, wireRateBps: 0.5 }), /^s: wireRateBps is 0\.5, expected/],
    [
      'a NaN peak',
      () => onOff({ ...base, peakWireRateBps: Number.NaN, meanOnNs: 1, meanOffNs: 1, lengths: 'fixed' }),
      /^s: peakWireRateBps is NaN/,
    ],
    [
      'bursts of nothing',
      () => onOff({ ...base, peakWireRateBps: 1e6, meanOnNs: 0, meanOffNs: 1, lengths: 'fixed' }),
      /^s: meanOnNs is 0, expected a whole number from 672 /,
    ],
    [
      'a tail without mean',
      () => heavyTailed({ ...base, peakWireRateBps: 1e9, meanOnNs: 9, meanOffNs: 1, shape: 0.9 }),
      /^s: shape is 0\.9/,
    ],
    [
      'a start before time',
      () => constantRate({ ...base, wireRateBps: 1, startNs: -1 }),
      /^s: startNs is -1/,
    ],
    [
      'an endless end',
      () => constantRate({ ...base, wireRateBps: 1, endNs: Number.POSITIVE_INFINITY }),
      /^s: endNs is Infinity/,
    ],
    ['a fraction of a frame', () => greedy({ ...base, frameLimit: 1.5 }), /^s: frameLimit is 1\.5/],
    ['13 bytes', () => fixedSize('s', 13), /^s: bytes is 13, expected a whole number from 14 to 9018$/],
  ] as const)('%s', ([, make, message]) => {
    expect(make).toThrow(TrafficError);
    expect(make).toThrow(message);
  });
});
