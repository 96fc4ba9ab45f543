import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { balloonPoint } from '../../../src/experiments/price-of-safety/balloon.js';
import type { PriceOfSafetyResult } from '../../../src/experiments/price-of-safety/experiment.js';
import { LOAD_CASES, loadPoints } from '../../../src/experiments/price-of-safety/measure.js';
import { sweepPoints } from '../../../src/sweep/points.js';
import { makeWorkers } from '../../../src/work/workers.js';

const stored = JSON.parse(
  readFileSync(new URL('../../../src/experiments/price-of-safety/result.json', import.meta.url), 'utf8'),
) as PriceOfSafetyResult;

describe('a fresh run', () => {
  it('gives what is stored', async () => {
    const cases = LOAD_CASES.filter(({ framesPerSecond }) => framesPerSecond === 20_000);
    const rows = await sweepPoints(makeWorkers(1), 'price-of-safety/load', cases, stored);
    const fresh = loadPoints(cases, rows);
    expect(JSON.parse(JSON.stringify(fresh))).toEqual(
      stored.loads.filter(({ offered_per_s }) => offered_per_s === 20_000),
    );
  });

  it('has the balloon find what is stored', async () => {
    const approach = 'iommu:persistent';
    const [runs = []] = await sweepPoints(makeWorkers(1), 'price-of-safety/balloon', [{ approach }], stored);
    const fresh = balloonPoint(approach, runs);
    expect(JSON.parse(JSON.stringify(fresh))).toEqual(
      stored.balloon.find((point) => point.approach === approach),
    );
  });
});
