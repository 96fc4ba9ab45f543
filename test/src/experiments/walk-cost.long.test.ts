import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  measuredSettings,
  type WalkCostResult,
  walkPlaces,
} from '../../../src/experiments/walk-cost/measure.js';
import { sweepPoints } from '../../../src/sweep/points.js';
import { makeWorkers } from '../../../src/work/workers.js';

const stored = JSON.parse(
  readFileSync(new URL('../../../src/experiments/walk-cost/result.json', import.meta.url), 'utf8'),
) as WalkCostResult;

describe('a fresh run', () => {
  it('gives what is stored', async () => {
    const iotlbEntries = stored.points.find(({ flows }) => flows === 1)?.iotlb_entries ?? 0;
    const places = walkPlaces([{ flows: 1, ringSlots: 256, iotlbEntries }]);
    const runs = await sweepPoints(makeWorkers(1), 'walk-cost/run', places, stored);
    const fresh = measuredSettings(places, runs).flatMap(({ points }) => points);
    expect(JSON.parse(JSON.stringify(fresh.map(({ point }) => point)))).toEqual(
      stored.points.filter(({ flows, ring_slots }) => flows === 1 && ring_slots === 256),
    );
  });
});
