import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type StrategiesResult, strategies } from '../../../src/experiments/strategies/experiment.js';
import { expectFigures } from './expect-figures.js';

const stored = JSON.parse(
  readFileSync(new URL('../../../src/experiments/strategies/result.json', import.meta.url), 'utf8'),
) as StrategiesResult;

const pointsOf = (approach: string) => stored.points.filter((point) => point.approach === approach);
const WORKLOADS = ['stream-tx', 'stream-rx', 'latency', 'voice', 'web'];
const FOUR_OF_2008 = ['iommu:single-use', 'iommu:shared', 'iommu:persistent', 'iommu:direct-map'];

/** Figures that are drawn from the points; behind them stand what was published, and a table. */
const PLOTS = 5;

describe('the stored result', () => {
  it('has the strategies of the paper, software and none under all workloads', () => {
    for (const approach of ['none', ...FOUR_OF_2008, 'cdna']) {
      expect(pointsOf(approach).map(({ workload }) => workload)).toEqual(WORKLOADS);
    }
    expect(stored.seeds).toBeGreaterThanOrEqual(3);
  });

  it('has the reuse that follows from where buffers lie: two on a page', () => {
    for (const { reuse_percent } of pointsOf('iommu:single-use')) expect(reuse_percent?.most).toBe(0);
    for (const { reuse_percent } of pointsOf('iommu:persistent')) expect(reuse_percent?.least).toBe(100);
    for (const { workload, reuse_percent } of pointsOf('iommu:shared')) {
      const isStream = workload.startsWith('stream');
      expect(reuse_percent?.mean).toBeGreaterThan(isStream ? 49 : 20);
      expect(reuse_percent?.mean).toBeLessThan(51);
    }
    for (const approach of ['none', 'cdna']) {
      for (const point of pointsOf(approach)) expect(point).not.toHaveProperty('reuse_percent');
    }
  });

  it('makes no hypercall without protection, nor with mappings that stay', () => {
    for (const approach of ['none', 'iommu:direct-map', 'iommu:persistent', 'iommu:shadow-copy']) {
      for (const { hypercalls_per_frame } of pointsOf(approach)) expect(hypercalls_per_frame.most).toBe(0);
    }
    for (const { hypercalls_per_dma } of pointsOf('cdna'))
      expect(hypercalls_per_dma.least).toBeGreaterThan(0);
  });

  it('loses no frame to protection', () => {
    for (const point of stored.points) {
      const none = pointsOf('none').find(({ workload }) => workload === point.workload);
      expect(point.frames_dropped).toBe(none?.frames_dropped);
      if (point.workload === 'latency') continue;
      expect(point.frames_per_s.mean / (none?.frames_per_s.mean ?? 0)).toBeCloseTo(1, 3);
    }
  });

  it('has percentiles that never fall', () => {
    for (const { latency_us } of stored.points) {
      expect(latency_us).toHaveLength(stored.percents.length);
      expect(latency_us).toEqual([...latency_us].sort((a, b) => a - b));
    }
  });

  it('shows the published figure and each statement with its mark, and what came of it', () => {
    const text = strategies.present(stored).text;
    for (const { name, certainty } of stored.figures) {
      expect(text.split('\n').find((line) => line.startsWith(name))).toContain(`[${certainty}]`);
    }
    for (const { statement, holds } of stored.statements) {
      const line = text.split('\n').find((one) => one.includes(statement));
      expect(line?.startsWith(holds ? 'holds' : 'FAILS')).toBe(true);
    }
  });

  it('draws its figures, wide and narrow', () => {
    const figures = strategies.present(stored).figures;
    const ids = [
      'strategies-cpu',
      'strategies-reuse',
      'strategies-hypercalls',
      'strategies-iotlb',
      'strategies-latency',
      'strategies-published',
      'strategies-statements',
      'strategies-points',
    ];
    expectFigures(figures, ids, PLOTS, 'request and response');
  });
});
