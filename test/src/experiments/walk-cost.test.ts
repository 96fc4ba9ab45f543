import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { walkCost } from '../../../src/experiments/walk-cost/experiment.js';
import type { WalkCostResult } from '../../../src/experiments/walk-cost/measure.js';

const stored = JSON.parse(
  readFileSync(new URL('../../../src/experiments/walk-cost/result.json', import.meta.url), 'utf8'),
) as WalkCostResult;

/** The published model, with its own numbers. */
const lineGbps = (reads: number) => (4096 * 8) / (65 + reads * 197);

describe('the stored sweep', () => {
  it('lies within 10 % of the published line for its own M wherever strict unmapping is limited by the walker', () => {
    const strict = stored.points.filter(({ strategy }) => strategy === 'single-use');
    expect(strict.length).toBeGreaterThanOrEqual(9);
    for (const { emulated_gbps, reads_per_page, walker_busy } of strict) {
      expect(walker_busy).toBeGreaterThan(0.98);
      expect(Math.abs(emulated_gbps / lineGbps(reads_per_page) - 1)).toBeLessThan(0.1);
    }
  });

  it('has the throughput back with contiguous addresses, with as many rings as the paper has, and twice as many', () => {
    const few = stored.points.filter(({ flows }) => flows <= 10);
    for (const { strategy, share_of_off } of few) {
      if (strategy === 'contiguous') expect(share_of_off).toBeGreaterThan(0.97);
      else expect(share_of_off).toBeLessThan(0.75);
    }
  });

  it('misses the line only where walks per page explain it, and not where the IOTLB holds them', () => {
    const far = stored.points.filter(({ error }) => Math.abs(error ?? 0) > 0.1);
    for (const point of far) {
      const walkNs = point.walks_per_page * 65 + point.reads_per_page * 197;
      expect(point.strategy).toBe('contiguous');
      expect(point.emulated_gbps / ((4096 * 8) / walkNs)).toBeCloseTo(1, 1);
      const roomy = stored.points.find(
        ({ strategy, flows, iotlb_entries }) =>
          strategy === point.strategy && flows === point.flows && iotlb_entries === 256,
      );
      expect(roomy?.share_of_off).toBeGreaterThan(0.9);
    }
  });

  it('shows each published figure with its certainty', () => {
    const text = walkCost.present(stored).text;
    for (const { name, certainty } of stored.figures) {
      const line = text.split('\n').find((one) => one.startsWith(name));
      expect(line).toContain(`[${certainty}]`);
    }
  });
});
