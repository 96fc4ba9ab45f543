import fc from 'fast-check';
import { expect, test } from 'vitest';
import { APPROACHES } from '../../../host/protection/approaches.js';
import { contextId } from '../../../scheduler/branded.js';
import { LatencyRecorder } from '../../../src/machine/latency.js';
import { SENT_WINDOWS, SentOverTime } from '../../../src/machine/sent-over-time.js';
import { simulate } from '../../../src/simulate.js';
import { runs, turnOf } from '../../support/whole.js';

test('every byte is in the window in which its frame ended, and nowhere else', () => {
  const frame = fc.record({
    context: fc.nat(3),
    bytes: fc.integer({ min: 14, max: 9018 }),
    atNs: fc.nat(5_000),
  });
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 60 }), (frames) => {
      const recorder = new SentOverTime(5_000);
      // Context 3 was never opened: what it sends is not counted.
      for (const context of [0, 1, 2]) recorder.open(contextId(context));
      for (const { context, bytes, atNs } of frames) recorder.add(contextId(context), bytes, atNs);
      for (const context of [0, 1, 2, 3]) {
        const windows = recorder.of(contextId(context));
        expect(windows).toHaveLength(SENT_WINDOWS);
        for (const [window, sum] of windows.entries()) {
          const begin = window * 100;
          const expected = frames
            .filter((one) => one.context === context && context !== 3)
            .filter(({ atNs }) => atNs >= begin && (atNs < begin + 100 || window === SENT_WINDOWS - 1))
            .reduce((bytes, one) => bytes + one.bytes, 0);
          expect(sum).toBe(expected);
        }
      }
    }),
    { numRuns: runs(200) },
  );
});

test.for(turnOf(APPROACHES, 0).map(({ name }) => name))(
  'under %s the windows of a guest add up to what it sent',
  async (protection) => {
    const run = await simulate(
      {
        guests: [
          { traffic: { kind: 'greedy' } },
          { traffic: { kind: 'poisson', wireRateBps: 3e8, frameBytes: 'imix' } },
        ],
      },
      { protection, durationNs: 3_000_000 },
    );
    for (const { bytesTransmitted, bytesTransmittedOverTime } of run.guests) {
      expect(bytesTransmitted).toBeGreaterThan(10_000);
      expect(bytesTransmittedOverTime.reduce((sum, bytes) => sum + bytes, 0)).toBe(bytesTransmitted);
    }
    const { transmit } = run.latencyCurves;
    expect(transmit.at(-1)).toEqual({ percent: 100, ns: run.latencyNs.transmit?.maxNs });
    expect(transmit.find(({ percent }) => percent === 99)?.ns).toBe(run.latencyNs.transmit?.p99Ns);
  },
);

test('a curve never falls, ends at the largest value, and is empty without values', () => {
  expect(new LatencyRecorder().curve()).toEqual([]);
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 1e9 }), { minLength: 1, maxLength: 50 }), (values) => {
      const recorder = new LatencyRecorder();
      for (const value of values) recorder.record(value);
      const curve = recorder.curve();
      for (const [index, { percent, ns }] of curve.entries()) {
        const before = curve[index - 1];
        expect(percent).toBeGreaterThan(before?.percent ?? -1);
        expect(ns).toBeGreaterThanOrEqual(before?.ns ?? 0);
      }
      expect(curve.at(-1)).toEqual({ percent: 100, ns: Math.max(...values) });
    }),
    { numRuns: runs(200) },
  );
});
