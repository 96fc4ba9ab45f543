import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { aimRows } from '../../bench/aims.js';
import { withFigures } from '../../bench/performance-page.js';
import type { BenchDocument } from '../../bench/run.js';
import type { Row } from '../../bench/section.js';
import { sections } from '../../bench/sections/index.js';
import { PAIR_NAMES } from '../../bench/sections/paired.js';
import { DISCIPLINES } from '../../scheduler/disciplines/catalogue.js';

const root = fileURLToPath(new URL('../../', import.meta.url));

function bench(...flags: string[]) {
  const call = ['--import', 'tsx', 'bench/main.ts', ...flags];
  return spawnSync(process.execPath, call, { cwd: root, encoding: 'utf8' });
}

describe('npm run bench', () => {
  test('--json --quick gives one document of the sections asked for, each figure beside the floor', () => {
    const { status, stdout } = bench('--json', '--quick', '--only', 'floor', '--only', 'decisions');
    expect(status).toBe(0);
    const document = JSON.parse(stdout) as BenchDocument;
    expect(document.quick).toBe(true);
    expect(document.node).toBe(process.version);
    expect(Object.keys(document.floorNs)).toEqual(['60', '1514']);
    expect(Object.keys(document.sections)).toEqual(['decisions', 'floor', 'aims']);

    const { floor, decisions } = document.sections;
    expect(floor?.rows.map(({ frameBytes }) => frameBytes)).toEqual([60, 1514]);
    const asked = DISCIPLINES.flatMap(({ name }) => [32, 1024, 4096].map((contexts) => [name, contexts]));
    expect(decisions?.rows.map(({ discipline, contexts }) => [discipline, contexts])).toEqual(asked);
    for (const row of [...(floor?.rows ?? []), ...(decisions?.rows ?? [])]) {
      for (const figure of ['nsPerOperation', 'operationsPerSecond', 'floorRatio']) {
        expect(row[figure]).toBeGreaterThan(0);
      }
    }
  });

  test('an unknown section is refused, with the names of those that exist', () => {
    const { status, stdout, stderr } = bench('--only', 'flor');
    expect(status).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toContain('--only is "flor", expected the name of a section');
    for (const { name } of sections) expect(stderr).toContain(name);
  });
});

describe('aims', () => {
  const rowsOf = (name: string, rows: readonly Row[]) => aimRows(new Map([[name, rows]]));
  const verdictOf = (aims: readonly Row[], text: string) =>
    aims.find(({ aim }) => String(aim).includes(text))?.verdict;
  test('nothing measured, nothing judged', () => {
    for (const { verdict, reached } of aimRows(new Map())) {
      expect([verdict, reached]).toEqual(['not measured', null]);
    }
  });

  test.each([
    { ratio: 1.9, verdict: 'met' },
    { ratio: 1.91, verdict: 'missed' },
  ])('cdna with small frames at $ratio x the flat reference is $verdict', ({ ratio, verdict }) => {
    const aims = rowsOf('paired', [{ pair: 'cdna 60 B over flat', ratio }]);
    expect(verdictOf(aims, 'cdna 60 B over flat')).toBe(verdict);
    expect(verdictOf(aims, 'cdna 1,514 B over flat')).toBe('not measured');
  });

  test.each([
    { ratio: 16, verdict: 'met' },
    { ratio: 15.9, verdict: 'missed' },
  ])('ns-3 that takes $ratio times as long as cdna is $verdict', ({ ratio, verdict }) => {
    const aims = rowsOf('paired', [{ pair: 'ns-3, 32 flows, 60 B over cdna', ratio }]);
    expect(verdictOf(aims, 'ns-3, 32 flows, 60 B over cdna')).toBe(verdict);
  });

  test('a row without a figure, as that of ns-3 where it is not installed, is not judged', () => {
    const aims = rowsOf('paired', [{ pair: 'ns-3, 32 flows, 60 B over cdna', ratio: null }]);
    expect(verdictOf(aims, 'ns-3, 32 flows, 60 B over cdna')).toBe('not measured');
  });

  test('each row that an aim names is one that its section makes', () => {
    const pairs = aimRows(new Map())
      .map(({ aim }) => /^(.*): at (?:most|least) [\d.]+ x$/.exec(String(aim))?.[1])
      .filter((pair): pair is string => pair !== undefined && !pair.includes('over an unrecorded run'));
    expect(pairs.length).toBeGreaterThan(10);
    expect(pairs.filter((pair) => !PAIR_NAMES.includes(pair))).toEqual([]);
  });

  test('the worst row decides', () => {
    const row = (frameBytes: number, bytesPerPacket: number) => ({
      protection: 'none',
      frameBytes,
      bytesPerPacket,
    });
    const aim = 'none: at most 16 bytes allocated';
    expect(verdictOf(rowsOf('allocation', [row(60, 3), row(1514, 16)]), aim)).toBe('met');
    expect(verdictOf(rowsOf('allocation', [row(60, 30), row(1514, 3)]), aim)).toBe('missed');
  });

  test('a program that was not built is not judged', () => {
    const row = { call: '--help', way: 'node dist', milliseconds: null, cpuMilliseconds: null };
    expect(verdictOf(rowsOf('programs', [row]), '--help, built')).toBe('not measured');
  });
});

describe('docs/performance.md', () => {
  const page = readFileSync(`${root}docs/performance.md`, 'utf8');
  const document = (rows: readonly Row[]): BenchDocument => ({
    machine: { cpu: 'a processor', cores: 2, platform: 'linux', arch: 'x64' },
    node: 'v20.0.0',
    quick: false,
    floorNs: {},
    sections: { floor: { title: 'The floor', rows } },
  });

  test('has a place for every section, and the aims', () => {
    const places = [...page.matchAll(/<!-- bench: ([a-z-]+) -->/g)].map(([, name]) => name);
    expect(places.sort()).toEqual(['aims', ...sections.map(({ name }) => name)].sort());
  });

  test('gets the tables of what was run, and keeps the others', () => {
    const row = { frameBytes: 1514, nsPerOperation: 123.4, operationsPerSecond: 8_103_727, floorRatio: 1.01 };
    const next = withFigures(page, document([row]));
    expect(next).toContain('| 1,514 | 123 | 8,103,727 | 1.01 x |');
    expect(next).toContain('a processor, 2 cores, Node 20.0.0');
    const others = (text: string) => text.replace(/<!-- bench: floor -->[\s\S]*<!-- \/bench: floor -->/, '');
    expect(others(next)).toBe(others(page));
    expect(withFigures(next, document([row]))).toBe(next);
  });

  test('gets the verdicts of what was run, and keeps those of the rest', () => {
    const [first, second, ...others] = aimRows(new Map()).map(({ aim }) => String(aim));
    if (first === undefined || second === undefined) throw new Error('there are no aims');
    const judged = (aim: string, reached: string) => ({
      ...document([]),
      sections: { aims: { title: 'Aims', rows: [{ aim, reached, verdict: 'met' }] } },
    });
    const once = withFigures(page, judged(first, '1.5 x'));
    expect(once).toContain(`| ${first} | 1.5 x | met |`);
    const twice = withFigures(once, judged(second, '1.6 x'));
    expect(twice).toContain(`| ${first} | 1.5 x | met |`);
    expect(twice).toContain(`| ${second} | 1.6 x | met |`);
    for (const aim of others) expect(twice).toContain(`| ${aim} | `);
  });

  test('a block that does not end is refused', () => {
    expect(() => withFigures('<!-- bench: floor -->', document([]))).toThrow('no <!-- /bench: floor -->');
  });
});
