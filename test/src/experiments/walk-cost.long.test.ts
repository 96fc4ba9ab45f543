import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { measureSetting, type WalkCostResult } from '../../../src/experiments/walk-cost/measure.js';

const stored = JSON.parse(
  readFileSync(new URL('../../../src/experiments/walk-cost/result.json', import.meta.url), 'utf8'),
) as WalkCostResult;

describe('a fresh run', () => {
  it('gives what is stored', () => {
    const fresh = measureSetting({
      setting: { flows: 1, ringSlots: 256, iotlbEntries: 64 },
      seed: stored.seed,
    }).points;
    expect(JSON.parse(JSON.stringify(fresh.map(({ point }) => point)))).toEqual(
      stored.points.filter(({ flows, ring_slots }) => flows === 1 && ring_slots === 256),
    );
  });
});
