import { describe, expect, test } from 'vitest';
import { simulate } from '../../../src/simulate.js';
import { either } from '../../support/whole.js';

const SCENARIO = {
  guests: [
    { name: 'poisson', traffic: { kind: 'poisson' as const, wireRateBps: 400_000_000 } },
    { name: 'greedy', weight: 2, traffic: { kind: 'greedy' as const } },
    { name: 'client', traffic: { kind: 'request' as const, to: 'poisson' } },
  ],
  seed: 3,
};
const WARM_UP_NS = either(1_500_000, 750_000);
const WINDOW_NS = either(2_500_000, 1_500_000);

describe('a warm-up', () => {
  test.each(['none', 'cdna', 'iommu:deferred', 'driver-domain'])(
    'leaves in the window what the whole run has more than the warm-up alone, under %s',
    async (protection) => {
      const whole = await simulate(SCENARIO, { protection, warmUpNs: 0, durationNs: WARM_UP_NS + WINDOW_NS });
      const start = await simulate(SCENARIO, { protection, warmUpNs: 0, durationNs: WARM_UP_NS });
      const window = await simulate(SCENARIO, { protection, warmUpNs: WARM_UP_NS, durationNs: WINDOW_NS });

      expect(window.fingerprint).toBe(whole.fingerprint);
      expect(window.warmUpNs).toBe(WARM_UP_NS);
      expect(window.durationNs).toBe(WINDOW_NS);
      for (const count of [
        'framesTransmitted',
        'bytesTransmitted',
        'framesReceived',
        'hypercalls',
        'events',
      ] as const) {
        expect({ [count]: window[count] }).toEqual({ [count]: whole[count] - start[count] });
      }
      expect(window.pins.taken).toBe(whole.pins.taken - start.pins.taken);
      expect(window.goodputBps).toBe((window.bytesTransmitted * 8e9) / WINDOW_NS);
      expect(window.latencyNs.receive?.count).toBe(
        window.guests.reduce((sum, { framesReceived }) => sum + framesReceived, 0),
      );
      for (const [index, guest] of window.guests.entries()) {
        const [all, before] = [whole.guests[index], start.guests[index]];
        expect(guest.bytesTransmitted).toBe((all?.bytesTransmitted ?? 0) - (before?.bytesTransmitted ?? 0));
        expect(guest.bytesTransmittedOverTime.reduce((sum, bytes) => sum + bytes, 0)).toBeCloseTo(
          guest.bytesTransmitted,
          -5,
        );
        expect(guest.firstTransmittedNs ?? WARM_UP_NS).toBeGreaterThanOrEqual(WARM_UP_NS);
      }
      expect(window.memory.pinnedPages.every(({ atNs }) => atNs >= WARM_UP_NS)).toBe(true);
      expect(window.laws.every(({ held }) => held)).toBe(true);
    },
  );

  test('is a tenth of the window unless caller or scenario name another, and 0 cuts nothing', async () => {
    const run = await simulate(SCENARIO, { durationNs: WINDOW_NS });
    expect(run).toEqual(await simulate(SCENARIO, { durationNs: WINDOW_NS, warmUpNs: WINDOW_NS / 10 }));
    expect(run.warmUpNs).toBe(WINDOW_NS / 10);
    const whole = await simulate(SCENARIO, { durationNs: WINDOW_NS, warmUpNs: 0 });
    expect(whole.warmUpNs).toBeUndefined();
    expect(
      whole.guests.some(({ firstTransmittedNs = WINDOW_NS }) => firstTransmittedNs < WINDOW_NS / 10),
    ).toBe(true);
  });
});
