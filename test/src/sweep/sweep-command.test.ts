import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { cli, emptyFolder, STUDY, studyFile } from './study-lab.js';

describe('sweep', () => {
  test('goes on with what a changed study has in common with the first', async () => {
    const folder = emptyFolder();
    await cli('sweep', studyFile(folder, STUDY), '--out', join(folder, 'out'), '--jobs', '1');
    const before = readFileSync(join(folder, 'out/journal.ndjson'), 'utf8').split('\n').length;
    const larger = studyFile(folder, { ...STUDY, seeds: 3 });
    expect((await cli('sweep', larger, '--out', join(folder, 'out'), '--jobs', '1')).code).toBe(0);
    expect(readFileSync(join(folder, 'out/journal.ndjson'), 'utf8').split('\n').length).toBe(before + 6);
  });

  test('puts a run that cannot be done into the tables with its reason, and ends with 1', async () => {
    const folder = emptyFolder();
    const study = studyFile(folder, {
      ...STUDY,
      vary: [{ path: 'guests[b].memoryMegabytes', values: [128, 1] }],
      seeds: 1,
      scenario: { ...(STUDY.scenario as object), host: { memoryMegabytes: 160 } },
    });
    const { code, out } = await cli('sweep', study, '--out', join(folder, 'out'), '--jobs', '1');
    const rows = readFileSync(join(folder, 'out/runs.csv'), 'utf8').split('\r\n');
    expect(code).toBe(1);
    expect(out).toContain('1 could not be done');
    expect(rows[1]).toContain('host.memoryMegabytes');
    expect(rows[2]).not.toContain('host.memoryMegabytes');
  });

  test('says in a dry run how many runs there are and which come first, and leaves nothing', async () => {
    const folder = emptyFolder();
    const { code, out } = await cli(
      'sweep',
      studyFile(folder, STUDY),
      '--out',
      join(folder, 'out'),
      '--dry-run',
    );
    expect(code).toBe(0);
    expect(out).toMatch(/^6 points, 12 runs, about \d+ s on \d+ threads/u);
    expect(out).toContain('0: protection "none", load 100000000');
    expect(existsSync(join(folder, 'out'))).toBe(false);
  });

  test('adds seeds only to points whose interval is too wide', async () => {
    const folder = emptyFolder();
    const study = studyFile(folder, {
      ...STUDY,
      windowNs: 2_000_000,
      vary: [{ path: 'guests[b].traffic.kind', values: ['greedy', 'none'] }],
    });
    const { out } = await cli(
      'sweep',
      study,
      '--out',
      join(folder, 'out'),
      '--jobs',
      '2',
      '--json',
      '--until-relative-error',
      '0.05',
      '--most-seeds',
      '12',
    );
    const { seeds } = JSON.parse(out) as { seeds: number[] };
    // With a greedy neighbour the wire is full whatever the seed; without one goodput is that of a Poisson source.
    expect(seeds).toEqual([3, 12]);
  });

  test.each([
    ['--shard', '0/3', /--shard is "0\/3", expected PART\/PARTS/u],
    ['--formats', 'xls', /--formats has "xls", expected some of: parquet, csv, ndjson/u],
    ['--until-relative-error', '2', /--until-relative-error is "2", expected a number between 0 and 1/u],
    ['--of', 'goodputBps', /--of was given alone/u],
    ['--jobs', '0', /--jobs is "0", expected a whole number/u],
  ])('refuses %s %s', async (option, value, message) => {
    const folder = emptyFolder();
    const { code, err } = await cli(
      'sweep',
      studyFile(folder, STUDY),
      '--out',
      join(folder, 'out'),
      option,
      value,
    );
    expect(code).toBe(2);
    expect(err).toMatch(message);
    expect(existsSync(join(folder, 'out'))).toBe(false);
  });
});
