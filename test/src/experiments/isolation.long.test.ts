import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { sampleIsolation } from '../../../src/experiments/isolation/machine.js';
import {
  cellOf,
  type IsolationCell,
  type IsolationResult,
} from '../../../src/experiments/isolation/measure.js';
import { withSeeds } from '../../../src/experiments/seeds.js';

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
  ])('of %s, %s, %s gives what is stored', (approach, discipline, hostility) => {
    const runs = withSeeds(stored.seed, stored.seeds, (seed) =>
      sampleIsolation({ approach, discipline, hostility, seed }),
    );
    const fresh = cellOf(approach, discipline, hostility, runs);
    const place = `${approach} ${discipline} ${hostility}`;
    expect(JSON.parse(JSON.stringify(fresh))).toEqual(stored.cells.find((cell) => placeOf(cell) === place));
  });
});
