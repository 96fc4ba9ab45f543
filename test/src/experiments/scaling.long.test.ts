import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  runScaling,
  type ScalingPoint,
  type ScalingResult,
  scalingPoints,
  scalingTasks,
} from '../../../src/experiments/scaling/measure.js';
import {
  runUnitChange,
  unitChangePoints,
  unitChangeTasks,
} from '../../../src/experiments/scaling/unit-changes.js';

const stored = JSON.parse(
  readFileSync(new URL('../../../src/experiments/scaling/result.json', import.meta.url), 'utf8'),
) as ScalingResult;

describe('a fresh run', () => {
  it('gives what is stored of a change', () => {
    const tasks = unitChangeTasks(stored.seed).filter(({ change }) => change === '12 walkers');
    const fresh = unitChangePoints(tasks, tasks.map(runUnitChange));
    expect(JSON.parse(JSON.stringify(fresh))).toEqual(
      stored.unit_changes.filter(({ change }) => change === '12 walkers'),
    );
  });

  it('gives what is stored, and a limit as a value', () => {
    const tasks = scalingTasks(stored.seed, [1, 4, 256]).filter(
      ({ approach, guests }) =>
        (guests === 256 && approach === 'dev') ||
        (guests === 4 && approach === 'driver-domain') ||
        (guests === 1 && approach === 'iommu:deferred'),
    );
    const points = scalingPoints(tasks, tasks.map(runScaling));
    const places = tasks.map(({ approach, guests }) => `${approach} ${guests}`);
    const among = ({ approach, guests }: ScalingPoint) => places.includes(`${approach} ${guests}`);
    expect(JSON.parse(JSON.stringify(points.filter(among)))).toEqual(stored.points.filter(among));
  });
});
