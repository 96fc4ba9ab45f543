import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { StrategiesResult } from '../../../src/experiments/strategies/experiment.js';
import { measureStrategy, strategyPoints } from '../../../src/experiments/strategies/measure.js';

const stored = JSON.parse(
  readFileSync(new URL('../../../src/experiments/strategies/result.json', import.meta.url), 'utf8'),
) as StrategiesResult;

describe('a fresh run', () => {
  it('gives what is stored', () => {
    const measured = ['none', 'iommu:shared'].map((approach) =>
      measureStrategy({ workload: 'web', approach, seed: stored.seed }),
    );
    const fresh = strategyPoints(measured);
    expect(JSON.parse(JSON.stringify(fresh))).toEqual(
      stored.points.filter(
        ({ workload, approach }) => workload === 'web' && ['none', 'iommu:shared'].includes(approach),
      ),
    );
  });
});
