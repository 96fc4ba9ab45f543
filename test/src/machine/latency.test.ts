import fc from 'fast-check';
import * as hdr from 'hdr-histogram-js';
import { describe, expect, it } from 'vitest';
import { LatencyRecorder } from '../../../src/machine/latency.js';

/** The library alone, given every value. */
function reference(values: readonly number[]) {
  const histogram = hdr.build({
    bitBucketSize: 32,
    lowestDiscernibleValue: 1,
    highestTrackableValue: 2 ** 40,
    numberOfSignificantValueDigits: 3,
    autoResize: true,
    useWebAssembly: false,
  });
  for (const value of values) histogram.recordValue(value);
  return histogram;
}

const latencyNs = fc.oneof(
  fc.nat(5000),
  fc.nat(2 ** 31 - 1),
  fc.integer({ min: 2 ** 31 - 3, max: 2 ** 31 + 3 }),
  fc.integer({ min: 0, max: 2 ** 52 }),
  // Both sides of where cells get twice as wide.
  fc
    .tuple(fc.integer({ min: 9, max: 51 }), fc.integer({ min: -2, max: 2 }))
    .map(([bits, more]) => 2 ** bits + more),
);

describe('a latency recorder', () => {
  it('summarises what it was given as an HDR histogram of three digits does', () => {
    fc.assert(
      fc.property(fc.array(latencyNs, { minLength: 1, maxLength: 60 }), (values) => {
        const recorder = new LatencyRecorder();
        for (const value of values) recorder.record(value);
        const expected = reference(values);
        const at = (percent: number) => Math.min(expected.getValueAtPercentile(percent), expected.maxValue);
        const summary = recorder.summary();
        // Beyond 31 bits the library takes the start of a cell for its middle.
        const meanNs = Math.max(...values) < 2 ** 31 ? Math.round(expected.mean) : summary?.meanNs;
        const trueMean = values.reduce((sum, value) => sum + value / values.length, 0);
        expect(Math.abs((summary?.meanNs ?? 0) - trueMean)).toBeLessThanOrEqual(1 + trueMean / 1000);
        expect(summary).toEqual({
          count: values.length,
          meanNs,
          p50Ns: at(50),
          p99Ns: at(99),
          p999Ns: at(99.9),
          maxNs: Math.max(...values),
        });
        for (const { percent, ns } of recorder.curve()) expect(ns).toBe(at(percent));
      }),
    );
  });

  it('keeps two recorders apart', () => {
    const [low, high] = [new LatencyRecorder(), new LatencyRecorder()];
    low.record(10);
    high.record(1_000_000);
    expect([low.summary()?.maxNs, high.summary()?.maxNs]).toEqual([10, 1_000_000]);
    expect(low.summary()?.p50Ns).toBe(10);
  });

  it.each([-1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53])('refuses a latency of %d ns', (bad) => {
    expect(() => new LatencyRecorder().record(bad)).toThrow(`latency is ${bad} ns, expected`);
  });
});
