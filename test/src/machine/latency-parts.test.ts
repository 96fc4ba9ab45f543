import { describe, expect, test } from 'vitest';
import { APPROACHES } from '../../../host/protection/approaches.js';
import { LatencyPartsRecorder } from '../../../src/machine/latency-parts.js';
import { simulate } from '../../../src/simulate.js';
import { some } from '../../support/whole.js';

const guests = [
  { name: 'paced', traffic: { kind: 'poisson' as const, wireRateBps: 20_000_000 } },
  { name: 'greedy', traffic: { kind: 'greedy' as const } },
];

describe('where a frame spends its time', () => {
  test.each(some(APPROACHES.map(({ name }) => name)))(
    'under %s, the mean times at the driver, in the ring and in the card add up to the mean latency',
    async (protection) => {
      const run = await simulate({ guests }, { protection, warmUpNs: 1_000_000, durationNs: 3_000_000 });
      for (const { latencyNs, latencyPartsNs: parts } of run.guests) {
        const [driver, ring, card] = [parts.driver, parts.ring, parts.card];
        expect(driver?.count).toBe(latencyNs?.count);
        const sum = (driver?.meanNs ?? 0) + (ring?.meanNs ?? 0) + (card?.meanNs ?? 0);
        // Histograms of three digits.
        expect(Math.abs(sum / (latencyNs?.meanNs ?? 0) - 1)).toBeLessThan(0.005);
      }
    },
  );

  test('a full ring of 1,514 byte frames is waited for in the ring, and not in the card', async () => {
    const run = await simulate(
      { guests: [{ traffic: { kind: 'greedy' }, transmitSlots: 1024 }] },
      { protection: 'none', warmUpNs: 20_000_000, durationNs: 20_000_000 },
    );
    const [parts] = run.guests.map(({ latencyPartsNs }) => latencyPartsNs);
    const frameNs = 1538 * 8;
    // 1,024 frames in all, of which the card holds those of its cache of descriptors and its FIFO.
    expect(parts?.ring?.p50Ns).toBeGreaterThan(700 * frameNs);
    expect(parts?.card?.p50Ns).toBeLessThan(300 * frameNs);
  });

  test('by hand: posted at 30, fetched at 70, gone at 100 after a store at 10', () => {
    const recorder = new LatencyPartsRecorder(4);
    recorder.posted(6, 3, 30);
    recorder.fetched(6, 3, 70);
    recorder.left(8, 10, 100);
    const { driver, ring, card } = recorder.summary();
    expect([driver?.maxNs, ring?.maxNs, card?.maxNs]).toEqual([20, 40, 30]);
  });
});
