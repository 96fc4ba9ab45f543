import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { measureBalloon } from '../../../src/experiments/price-of-safety/balloon.js';
import type { PriceOfSafetyResult } from '../../../src/experiments/price-of-safety/experiment.js';
import { measureLoad } from '../../../src/experiments/price-of-safety/measure.js';

const stored = JSON.parse(
  readFileSync(new URL('../../../src/experiments/price-of-safety/result.json', import.meta.url), 'utf8'),
) as PriceOfSafetyResult;

describe('a fresh run', () => {
  it('gives what is stored', () => {
    const fresh = measureLoad({ framesPerSecond: 20_000, seed: stored.seed });
    expect(JSON.parse(JSON.stringify(fresh))).toEqual(
      stored.loads.filter(({ offered_per_s }) => offered_per_s === 20_000),
    );
  });

  it('has the balloon find what is stored', () => {
    const approach = 'iommu:persistent';
    const fresh = measureBalloon({ approach, seed: stored.seed, seeds: stored.seeds });
    expect(JSON.parse(JSON.stringify(fresh))).toEqual(
      stored.balloon.find((point) => point.approach === approach),
    );
  });
});
