import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type Cdna2007Result, measuredPoint } from '../../../src/experiments/cdna-2007/measure.js';
import { sweepPoints } from '../../../src/sweep/points.js';
import { makeWorkers } from '../../../src/work/workers.js';

const stored = JSON.parse(
  readFileSync(new URL('../../../src/experiments/cdna-2007/result.json', import.meta.url), 'utf8'),
) as Cdna2007Result;

function point(approach: string, direction: string, guests: number) {
  const found = stored.points.find(
    (one) => one.approach === approach && one.direction === direction && one.guests === guests,
  );
  if (found === undefined) throw new Error(`no point ${approach}, ${direction}, ${guests}`);
  return found;
}

describe('a fresh run', () => {
  it.each(['cdna', 'driver-domain'])('of %s gives what is stored', async (approach) => {
    const place = { approach, direction: 'transmit', guests: 1, parameters: stored.parameters } as const;
    const [runs = []] = await sweepPoints(makeWorkers(1), 'cdna-2007/point', [place], stored);
    const { point: fresh } = measuredPoint(place, runs);
    expect(JSON.parse(JSON.stringify(fresh))).toEqual(point(approach, 'transmit', 1));
  });
});
