import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  type ScalingPoint,
  type ScalingResult,
  scalingPlaces,
  scalingPoints,
} from '../../../src/experiments/scaling/measure.js';
import { unitChangePoints, unitChanges } from '../../../src/experiments/scaling/unit-changes.js';
import { sweepPoints } from '../../../src/sweep/points.js';
import { makeWorkers } from '../../../src/work/workers.js';

const stored = JSON.parse(
  readFileSync(new URL('../../../src/experiments/scaling/result.json', import.meta.url), 'utf8'),
) as ScalingResult;

describe('a fresh run', () => {
  it('gives what is stored of a change', async () => {
    const changes = unitChanges().filter(({ change }) => change === 'twice as many walkers');
    const samples = await sweepPoints(makeWorkers(1), 'scaling/unit-change', changes, stored);
    const fresh = unitChangePoints(changes, samples);
    expect(JSON.parse(JSON.stringify(fresh))).toEqual(
      stored.unit_changes.filter(({ change }) => change === 'twice as many walkers'),
    );
  });

  it('gives what is stored, and a limit as a value', async () => {
    const tasks = scalingPlaces([1, 4, 256]).filter(
      ({ approach, guests }) =>
        (guests === 256 && approach === 'dev') ||
        (guests === 4 && approach === 'driver-domain') ||
        (guests === 1 && approach === 'iommu:deferred'),
    );
    const samples = await sweepPoints(makeWorkers(1), 'scaling/machine', tasks, stored);
    const points = scalingPoints(tasks, samples);
    const places = tasks.map(({ approach, guests }) => `${approach} ${guests}`);
    const among = ({ approach, guests }: ScalingPoint) => places.includes(`${approach} ${guests}`);
    expect(JSON.parse(JSON.stringify(points.filter(among)))).toEqual(stored.points.filter(among));
  });
});
