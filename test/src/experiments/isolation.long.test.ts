import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  cellOf,
  type IsolationCell,
  type IsolationResult,
} from '../../../src/experiments/isolation/measure.js';
import { sweepPoints } from '../../../src/sweep/points.js';
import { makeWorkers } from '../../../src/work/workers.js';

const stored = JSON.parse(
  readFileSync(new URL('../../../src/experiments/isolation/result.json', import.meta.url), 'utf8'),
) as IsolationResult;

const placeOf = ({ approach, discipline, hostility }: IsolationCell) =>
  `${approach} ${discipline} ${hostility}`;

describe('a fresh run', () => {
  it.each([
    ['cdna', 'prr', 'jumbo-flood'],
    ['driver-domain', 'drr', 'map-storm'],
    ['iommu:single-use', 'drr', 'faulting-dma'],
    ['none', 'drr', 'broadcast-flood'],
    ['nodma', 'drr', 'faulting-dma'],
  ])('of %s, %s, %s gives what is stored', async (approach, discipline, hostility) => {
    const places = [{ approach, discipline, hostility }];
    const [runs = []] = await sweepPoints(makeWorkers(1), 'isolation/run', places, stored);
    const fresh = cellOf(approach, discipline, hostility, runs);
    const place = `${approach} ${discipline} ${hostility}`;
    expect(JSON.parse(JSON.stringify(fresh))).toEqual(stored.cells.find((cell) => placeOf(cell) === place));
  });
});
