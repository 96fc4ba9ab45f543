import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { APPROACHES } from '../../../host/protection/approaches.js';
import { scalingReportFigures } from '../../../src/experiments/scaling/figures.js';
import { printScaling } from '../../../src/experiments/scaling/print.js';
import { runScaling, scalingPoints, scalingTasks } from '../../../src/experiments/scaling/reproduce.js';
import type { ScalingPoint, ScalingResult } from '../../../src/experiments/scaling/result.js';
import { plotSvg } from '../../../src/report/plot.js';

const stored = JSON.parse(
  readFileSync(new URL('../../../src/experiments/scaling/result.json', import.meta.url), 'utf8'),
) as ScalingResult;

/** The wire, with its own numbers: 20 bytes of preamble and gap and 4 of FCS besides 1,514. */
const WIRE_GBPS = (10 * 1514) / (1514 + 24);
const run = stored.points.filter(({ greedy }) => greedy !== undefined);

describe('the stored sweep', () => {
  it('has every approach with 1 to 1,024 guests, and says where there is no such machine', () => {
    const places = APPROACHES.flatMap(({ name }) =>
      [1, 4, 16, 64, 256, 1024].map((guests) => `${name} ${guests}`),
    );
    expect(stored.points.map(({ approach, guests }) => `${approach} ${guests}`)).toEqual(places);
    const without = stored.points.filter(({ greedy, quiet }) => greedy === undefined || quiet === undefined);
    expect(without.map(({ approach, guests }) => `${approach} ${guests}`)).toEqual(['dev 256', 'dev 1024']);
    for (const { impossible } of without) expect(impossible).toContain('this protection can use none of them');
  });

  it('promises separation of three guests by an exclusion vector, and of all by an IOMMU', () => {
    const apart = (approach: string) =>
      stored.points.filter((point) => point.approach === approach).map(({ kept_apart }) => kept_apart);
    expect(apart('dev')).toEqual([1, 3, 3, 3, 3, 3]);
    expect(apart('iommu:single-use')).toEqual([1, 4, 16, 64, 256, 1024]);
    expect(apart('none')).toEqual([0, 0, 0, 0, 0, 0]);
  });

  it('carries no more than the wire and the cores, and interrupts no oftener than each 5 us', () => {
    for (const { greedy } of run) {
      if (greedy === undefined) continue;
      expect(greedy.goodput_gbps.most).toBeLessThan(WIRE_GBPS * 1.005);
      const { hypervisor, driver_domain, guests } = greedy.cpu_cores;
      // Work is charged when it begins, so the last of it may reach past the window.
      expect(hypervisor.mean + driver_domain.mean + guests.mean).toBeLessThan(4.1);
      expect(greedy.physical_interrupts_per_s.most).toBeLessThan(200_000 * 1.01);
    }
  });

  it('keeps contexts within the bound of deficit round robin: quantum and two frames, less two bytes', () => {
    for (const { greedy } of run) {
      if (greedy?.gap_bytes === undefined) continue;
      expect(greedy.gap_bound_bytes?.mean).toBe(3 * 1514 - 2);
      expect(greedy.gap_bytes.most).toBeLessThanOrEqual(3 * 1514 - 2);
    }
  });

  it('has percentiles in their order, and IOTLBs only where there is an IOMMU', () => {
    for (const { approach, greedy, quiet } of run) {
      expect(greedy?.wait_p50_us.mean).toBeLessThanOrEqual(greedy?.wait_p99_us.mean ?? 0);
      expect(quiet?.send_p50_us.mean).toBeLessThanOrEqual(quiet?.send_p99_us.mean ?? 0);
      expect(quiet?.receive_p50_us.mean).toBeLessThanOrEqual(quiet?.receive_p99_us.mean ?? 0);
      expect(greedy?.iotlb_hit_rate !== undefined).toBe(approach.includes('iommu'));
    }
  });

  it('is printed and drawn: a line a point, each statement, and every plot', async () => {
    const text = printScaling(stored);
    for (const { approach, guests } of stored.points)
      expect(text).toMatch(new RegExp(`^${approach.replace('+', '\\+')} +${guests} `, 'mu'));
    for (const { statement } of stored.statements) expect(text).toContain(statement);
    expect(text).toContain('dev with 256 guests cannot be set up');
    for (const { plot, table } of scalingReportFigures(stored, 'again')) {
      expect(table.rows).toHaveLength(stored.points.length);
      if (plot !== undefined) expect((await plotSvg(plot.narrow)).includes('>cdna+iommu<')).toBe(true);
    }
  });
});

describe('a fresh run', () => {
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

  it('says which approach does not exist', () => {
    expect(() => runScaling({ approach: 'armour', guests: 1, seed: 1 })).toThrow('protection is "armour"');
  });
});
