import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { contextId } from '../../../scheduler/branded.js';
import { PERCENTILES, RecentLatencies } from '../../../src/lab/recent-latencies.js';

describe('the percentiles of the last latencies', () => {
  it('are those of the last 512 frames: as many lie below each as it says, and no frame of another context counts', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 1_000_000 }), { minLength: 1, maxLength: 700 }),
        (latencies) => {
          const recent = new RecentLatencies();
          for (const latencyNs of latencies) {
            recent.record(contextId(2), latencyNs);
            recent.record(contextId(5), latencyNs * 10);
          }
          const found = recent.of(contextId(2));
          const last = latencies.slice(-512);
          const shares = { p50: 0.5, p90: 0.9, p99: 0.99 };
          for (const percentile of PERCENTILES) {
            const value = found?.[percentile] ?? -1;
            expect(last).toContain(value);
            const below = last.filter((latencyNs) => latencyNs < value).length;
            const upTo = last.filter((latencyNs) => latencyNs <= value).length;
            expect(below).toBeLessThanOrEqual(shares[percentile] * last.length);
            expect(upTo).toBeGreaterThanOrEqual(Math.floor(shares[percentile] * last.length));
          }
          expect(found).toEqual({
            p50: (recent.of(contextId(5))?.p50 ?? 0) / 10,
            p90: (recent.of(contextId(5))?.p90 ?? 0) / 10,
            p99: (recent.of(contextId(5))?.p99 ?? 0) / 10,
          });
        },
      ),
      { numRuns: 30 },
    );
  });

  it('are undefined before the first frame', () => {
    expect(new RecentLatencies().of(contextId(0))).toBeUndefined();
  });
});
