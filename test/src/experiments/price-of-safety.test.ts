import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  type PriceOfSafetyResult,
  priceOfSafety,
} from '../../../src/experiments/price-of-safety/experiment.js';
import { expectFigures } from './expect-figures.js';

const stored = JSON.parse(
  readFileSync(new URL('../../../src/experiments/price-of-safety/result.json', import.meta.url), 'utf8'),
) as PriceOfSafetyResult;

const pointsOf = (setting: string, approach: string) =>
  stored.points.filter((point) => point.setting === setting && point.approach === approach);

/** Figures that are drawn from the points; behind them stand what was published, and a table. */
const PLOTS = 4;

describe('the stored result', () => {
  it('has every strategy, size and direction, with and without a hypervisor', () => {
    for (const setting of ['metal', 'hypervisor']) {
      for (const approach of ['none', 'iommu:direct-map', 'iommu:single-use', 'iommu:shared']) {
        const cases = pointsOf(setting, approach).map(({ message, direction }) => `${message} ${direction}`);
        expect(cases.sort()).toEqual(['large receive', 'large transmit', 'small receive', 'small transmit']);
      }
    }
    expect(pointsOf('metal', 'cdna')).toEqual([]);
    expect(stored.seeds).toBeGreaterThanOrEqual(3);
  });

  it('says that a rise is CPU over CPU without protection', () => {
    for (const setting of ['metal', 'hypervisor']) {
      const none = pointsOf(setting, 'none');
      for (const [index, point] of pointsOf(setting, 'iommu:single-use').entries()) {
        const ratio = point.cpu_percent.mean / (none[index]?.cpu_percent.mean ?? Number.NaN);
        expect(point.rise_percent.mean).toBeCloseTo(100 * (ratio - 1), 0);
        expect(point.frames_per_s / (none[index]?.frames_per_s ?? 0)).toBeCloseTo(1, 2);
      }
    }
  });

  it('makes the hypervisor dearer than the metal, strategy for strategy', () => {
    for (const approach of ['none', 'iommu:single-use', 'iommu:shared', 'iommu:deferred']) {
      const metal = pointsOf('metal', approach);
      for (const [index, { cpu_percent }] of pointsOf('hypervisor', approach).entries()) {
        expect(cpu_percent.mean).toBeGreaterThan(metal[index]?.cpu_percent.mean ?? 100);
      }
    }
  });

  it('keeps the books of the balloon', () => {
    for (const { asked, reclaimed, refused, waiting, approach } of stored.balloon) {
      expect(reclaimed.mean + refused + waiting, approach).toBeCloseTo(asked, 2);
    }
    const late = stored.balloon.filter(({ late_accesses }) => late_accesses.most > 0);
    expect(late.map(({ approach }) => approach)).toEqual(['none']);
  });

  it('shows each published figure with its certainty, the missed ones too', () => {
    const text = priceOfSafety.present(stored).text;
    for (const { name, certainty } of stored.figures) {
      expect(text.split('\n').find((line) => line.startsWith(name))).toContain(`[${certainty}]`);
    }
    expect(stored.figures.some(({ error }) => Math.abs(error ?? 0) > 0.5)).toBe(true);
    for (const { statement } of stored.statements) expect(text).toContain(statement);
  });

  it('draws a panel for everything that its tables list', () => {
    const figures = priceOfSafety.present(stored).figures;
    const ids = [
      'price-cpu',
      'price-full',
      'price-pinned',
      'price-balloon',
      'price-published',
      'price-statements',
      'price-loads',
      'price-beside',
    ];
    expectFigures(figures, ids, PLOTS, 'single-use');
  });
});
