import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { APPROACHES } from '../../../host/protection/approaches.js';
import { scalingStatements } from '../../../src/experiments/scaling/expected.js';
import { scaling } from '../../../src/experiments/scaling/experiment.js';
import { sampleMachine } from '../../../src/experiments/scaling/machine.js';
import type { ScalingPoint, ScalingResult } from '../../../src/experiments/scaling/measure.js';
import { runScaling } from '../../../src/experiments/scaling/measure.js';
import { chartSvg } from '../../../src/report/charts/draw.js';

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
    for (const { impossible } of without)
      expect(impossible).toContain('this protection can use none of them');
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
      // Two frames as the wire carries them, 24 bytes more each.
      const bound = 1514 + 2 * (1514 + 24) - 2;
      expect(greedy.gap_bound_bytes?.mean).toBe(bound);
      expect(greedy.gap_bytes.most).toBeLessThanOrEqual(bound);
    }
  });

  it('has percentiles in their order, and IOTLBs only where there is an IOMMU', () => {
    for (const { approach, greedy, quiet } of run) {
      expect(greedy?.wait_p50_us.mean).toBeLessThanOrEqual(greedy?.wait_p99_us.mean ?? 0);
      expect(quiet?.send_p50_us.mean).toBeLessThanOrEqual(quiet?.send_p99_us.mean ?? 0);
      expect(quiet?.receive_p50_us.mean).toBeLessThanOrEqual(quiet?.receive_p99_us.mean ?? 0);
      expect(greedy?.iotlb_hit_rate !== undefined).toBe(approach.includes('iommu'));
      expect(greedy?.walk_reads_per_frame !== undefined).toBe(approach.includes('iommu'));
    }
  });

  it('is printed and drawn: a line per point, each statement, and every plot', () => {
    const { text, figures } = scaling.present(stored);
    for (const { approach, guests } of run)
      expect(text).toMatch(new RegExp(`^${approach.replace('+', '\\+')} +${guests} `, 'mu'));
    for (const { statement } of stored.statements) expect(text).toContain(statement);
    expect(text).toContain('dev with 256 guests cannot be set up');
    for (const { change } of stored.unit_changes) expect(text).toContain(change);
    for (const { id, chart, table } of figures) {
      if (id === 'scaling-statements') expect(table.rows).toHaveLength(stored.statements.length);
      else if (id === 'scaling-walks') expect(table.rows).toHaveLength(stored.unit_changes.length);
      else if (id === 'scaling-published') expect(table.rows).toHaveLength(stored.figures.length);
      else expect(table.rows).toHaveLength(run.length);
      if (chart !== undefined && id !== 'scaling-published')
        expect(chartSvg(chart, 'narrow')).toContain('>cdna+iommu<');
    }
  });
});

describe('waits on a card that is not busy', () => {
  const spread = (value: number) => ({ mean: value, least: value, most: value });
  const point = (approach: string, guests: number, sendUs: number): ScalingPoint => ({
    approach,
    guests,
    kept_apart: 0,
    quiet: {
      send_p50_us: spread(sendUs),
      send_p99_us: spread(sendUs),
      receive_p50_us: spread(1),
      receive_p99_us: spread(1),
    },
  });

  it('are compared with those with the fewest guests of the same approach, up and down', () => {
    const points = [
      ...[point('none', 1, 5), point('none', 4, 5.4), point('none', 16, 5.6)],
      ...[point('cdna', 1, 20), point('cdna', 4, 18), point('cdna', 16, 5)],
    ];
    const waits = scalingStatements(points).at(-1);
    expect(waits).toMatchObject({ holds: false, ours: '2 of 4 points; not none with 16, cdna with 16' });
  });
});

describe('walks', () => {
  const gbps = (approach: string, change: string) =>
    stored.unit_changes.find((one) => one.approach === `iommu:${approach}` && one.change === change)
      ?.goodput_gbps;

  it('are what the wire is not full for: it fills when they read less or faster, or find a walker that is free', () => {
    const full = 0.99 * WIRE_GBPS;
    const asItIs = gbps('persistent', 'as it is');
    expect(asItIs?.most).toBeLessThan(WIRE_GBPS);
    expect(gbps('persistent', 'half as many walkers')?.most).toBeLessThan(0.92 * WIRE_GBPS);
    const helps = stored.unit_changes.filter(({ approach }) => approach === 'iommu:persistent').slice(2);
    expect(helps).toHaveLength(6);
    for (const { goodput_gbps } of helps) {
      expect(goodput_gbps.least).toBeGreaterThan(full);
      expect(goodput_gbps.least).toBeGreaterThan(asItIs?.most ?? Number.POSITIVE_INFINITY);
    }
    expect(gbps('deferred', 'half as many walkers')?.least).toBeGreaterThan(full);
  });

  it('unchanged are those of the sweep', () => {
    for (const changed of stored.unit_changes.filter(({ change }) => change === 'as it is')) {
      const { approach, guests } = changed;
      const point = run.find((one) => one.approach === approach && one.guests === guests);
      expect(point?.greedy).toMatchObject({
        goodput_gbps: changed.goodput_gbps,
        walks_per_frame: changed.walks_per_frame,
        walk_reads_per_frame: changed.walk_reads_per_frame,
      });
    }
  });
});

describe('a machine that cannot be', () => {
  it('calls nothing a limit but that a protection has no space', () => {
    // A scenario without guests is the caller's mistake.
    expect(() => sampleMachine('none', 0, 1)).toThrow('guests');
  });

  it('says which approach does not exist', () => {
    expect(() => runScaling({ approach: 'armour', guests: 1, seed: 1 })).toThrow('protection is "armour"');
  });
});
