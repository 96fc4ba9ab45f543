import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { scratchFolder } from '../report/scratch-folder.js';
import { invoke } from './invoke.js';

interface Sample {
  readonly count: number;
  readonly mean: number;
  readonly least: number;
  readonly most: number;
  readonly halfWidth95: number | null;
}

interface Document {
  readonly repeat: string;
  readonly runs: readonly {
    readonly protection: string;
    readonly seed: number;
    readonly goodputBps: number;
    readonly guests: readonly { readonly name: string; readonly fairShareGot: number | null }[];
  }[];
  readonly statistics: readonly {
    readonly approach: string;
    readonly metrics: Readonly<Record<string, Sample>>;
    readonly guests: readonly { readonly name: string; readonly metrics: Readonly<Record<string, Sample>> }[];
  }[];
}

const CALL = ['compare', 'scenarios/four-guests.json', '--protection', 'none,cdna', '--duration', '2ms'];
const SEEDS = [...CALL, '--no-attacks', '--seed', '7', '--seeds', '5'];

const scratch = scratchFolder();

describe('compare --seeds', () => {
  // Text, document and page are of one call.
  const folder = scratch.path('seeds');
  let said = '';
  beforeAll(async () => {
    const { code, out } = await invoke(...SEEDS, '--out', folder);
    expect(code).toBe(0);
    said = out;
  });

  test('has a run per approach and seed, and mean, range and interval of every figure', () => {
    const text = readFileSync(join(folder, 'compare.json'), 'utf8');
    const { runs, statistics, repeat } = JSON.parse(text) as Document;
    expect(runs.map(({ protection, seed }) => `${protection} ${seed}`)).toEqual(
      ['none', 'cdna'].flatMap((name) => [7, 8, 9, 10, 11].map((seed) => `${name} ${seed}`)),
    );
    expect(repeat).toContain('--seed 7 --seeds 5');
    for (const { approach, metrics, guests } of statistics) {
      const values = runs.filter(({ protection }) => protection === approach).map((run) => run.goodputBps);
      expect(new Set(values).size).toBeGreaterThan(1);
      const mean = values.reduce((sum, value) => sum + value, 0) / 5;
      const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
      expect(metrics.goodputBps?.count).toBe(5);
      expect(metrics.goodputBps?.mean).toBeCloseTo(mean, 3);
      expect(metrics.goodputBps?.least).toBe(Math.min(...values));
      expect(metrics.goodputBps?.most).toBe(Math.max(...values));
      // Student's t for 4 degrees of freedom, from a table.
      const halfWidth = (2.776445 * Math.sqrt(squares / 4)) / Math.sqrt(5);
      expect((metrics.goodputBps?.halfWidth95 ?? 0) / halfWidth).toBeCloseTo(1, 6);
      expect(guests).toHaveLength(4);
      const bulk = guests.find(({ name }) => name === 'bulk');
      expect(bulk?.metrics.fairShareGot?.count).toBe(5);
    }
    // Beside none with the same seed, so none over none is nothing, whatever the seed.
    expect(statistics[0]?.metrics.cpuOverNone).toMatchObject({ mean: 0, least: 0, most: 0, halfWidth95: 0 });
  });

  test('prints three lines per approach: mean, interval, range', () => {
    expect(said).toContain('seed 7 and the 4 after it');
    const price = said.slice(said.indexOf('The price'), said.indexOf('Latency'));
    expect(price.match(/^(none|cdna) +mean /gmu)).toHaveLength(2);
    expect(price.match(/^ +95 % +±/gmu)).toHaveLength(2);
    expect(price).toMatch(/^ +range +\d+\.\d to \d+\.\d/mu);
    expect(said).toMatch(/What each guest got of its due\n\napproach +web/u);
  });

  test('its page has them as a figure; captures and timelines are those of the first seed alone', () => {
    const page = readFileSync(join(folder, 'compare.html'), 'utf8');
    expect(page).toContain('Over 5 seeds');
    expect(page).toContain('95 % interval');
    expect(readdirSync(folder).sort()).toEqual([
      'cdna.pcapng',
      'cdna.pftrace',
      'compare.html',
      'compare.json',
      'none.pcapng',
      'none.pftrace',
      'protection.html',
    ]);
  });

  test.each([
    [['--seeds', '0'], '--seeds is "0", expected a whole number from 1 to 100'],
    [['--seeds', '2', '--seed', '4294967295'], '--seeds is "2", expected at most 1 from seed 4294967295 on'],
  ])('%j is refused', async (options, message) => {
    const { code, err } = await invoke(...CALL, ...options);
    expect(code).toBe(2);
    expect(err).toContain(message);
  });
});
