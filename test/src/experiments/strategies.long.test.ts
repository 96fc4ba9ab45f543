import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { StrategiesResult } from '../../../src/experiments/strategies/experiment.js';
import { strategyPoints } from '../../../src/experiments/strategies/measure.js';
import { sweepPoints } from '../../../src/sweep/points.js';
import { makeWorkers } from '../../../src/work/workers.js';

const stored = JSON.parse(
  readFileSync(new URL('../../../src/experiments/strategies/result.json', import.meta.url), 'utf8'),
) as StrategiesResult;

describe('a fresh run', () => {
  it('gives what is stored', async () => {
    const places = ['none', 'iommu:shared'].map((approach) => ({ workload: 'web', approach }));
    const runs = await sweepPoints(makeWorkers(1), 'strategies/workload', places, stored);
    const fresh = strategyPoints(places.map((place, at) => ({ ...place, runs: runs[at] ?? [] })));
    expect(JSON.parse(JSON.stringify(fresh))).toEqual(
      stored.points.filter(
        ({ workload, approach }) => workload === 'web' && ['none', 'iommu:shared'].includes(approach),
      ),
    );
  });
});
