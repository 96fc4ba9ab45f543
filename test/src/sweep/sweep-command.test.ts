import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { cli, emptyFolder, STUDY, studyFile } from './study-lab.js';

const scheduler = new URL('../../../scheduler/index.ts', import.meta.url).href;

describe('sweep', () => {
  test('goes on with what a changed study has in common with the first', async () => {
    const folder = emptyFolder();
    await cli('sweep', studyFile(folder, STUDY), '--out', join(folder, 'out'));
    const before = readFileSync(join(folder, 'out/journal.ndjson'), 'utf8').split('\n').length;
    const larger = studyFile(folder, { ...STUDY, seeds: 3 });
    const again = await cli('sweep', larger, '--out', join(folder, 'out'));
    expect(again.code).toBe(0);
    expect(again.out).toMatch(/^12 of 18 runs were finished already\n18 runs of 6 points\n/u);
    expect(readFileSync(join(folder, 'out/journal.ndjson'), 'utf8').split('\n').length).toBe(before + 6);
  });

  test('names a combination for which no machine can be built before anything runs', async () => {
    const folder = emptyFolder();
    const study = studyFile(folder, {
      ...STUDY,
      vary: [{ path: 'guests[b].memoryMegabytes', name: 'memory', values: [1, 128] }],
      seeds: 1,
      scenario: { ...(STUDY.scenario as object), host: { memoryMegabytes: 160 } },
    });
    const { code, err } = await cli('sweep', study, '--out', join(folder, 'out'));
    expect(code).toBe(2);
    expect(err).toContain('the combination memory = 128 cannot run: ');
    expect(err).toContain('host.memoryMegabytes');
    expect(existsSync(join(folder, 'out'))).toBe(false);
  });

  test('puts a run that fails into the tables with its reason, goes on, ends with 1, and tries it again', async () => {
    const folder = emptyFolder();
    const own = (body: string) => writeFileSync(join(folder, 'own.mjs'), body);
    // A discipline that fails with its first frame, and is mended later.
    own(`import { makeDiscipline } from '${scheduler}';
export default (options) => new Proxy(makeDiscipline('drr', options), {
  get(target, name) {
    if (name === 'name') return 'own';
    if (name === 'select') return () => { throw new Error('no frame is good enough'); };
    const value = Reflect.get(target, name);
    return typeof value === 'function' ? value.bind(target) : value;
  },
});
`);
    const study = studyFile(folder, {
      ...STUDY,
      vary: [{ path: 'discipline', values: ['./own.mjs', 'drr'] }],
      seeds: 1,
    });
    const call = ['sweep', study, '--out', join(folder, 'out'), '--allow-modules'] as const;
    const rows = () => readFileSync(join(folder, 'out/runs.csv'), 'utf8').split('\r\n');
    const first = await cli(...call);
    expect([first.code, first.err]).toEqual([1, '']);
    expect(first.out).toContain('1 could not be done (the first: ');
    expect(first.out).toMatch(/the first: .*no frame is good enough/u);
    expect(rows()[1]).toContain('no frame is good enough');
    expect(rows()[2]).not.toContain('no frame');
    const shards = ['1/2', '2/2'].map((shard) =>
      cli('sweep', study, '--out', join(folder, 'parts'), '--allow-modules', '--shard', shard),
    );
    const [bad, good] = await Promise.all(shards);
    expect([bad?.code, good?.code]).toEqual([1, 0]);
    expect(bad?.out).toMatch(/, 1 could not be done \(the first: .*no frame is good enough/u);
    expect(good?.out).not.toContain('could not be done');
    const lines = () => readFileSync(join(folder, 'out/journal.ndjson'), 'utf8').split('\n').length - 1;
    expect(lines()).toBe(2);
    await cli(...call);
    expect(lines()).toBe(3);
  });

  test('refuses a study whose scenario names modules before anything runs, unless they are allowed', async () => {
    const folder = emptyFolder();
    writeFileSync(join(folder, 'own.mjs'), 'export default () => { throw new Error("never"); };\n');
    const study = studyFile(folder, { ...STUDY, vary: [{ path: 'discipline', values: ['./own.mjs'] }] });
    const { code, err } = await cli('sweep', study, '--out', join(folder, 'out'));
    expect(code).toBe(2);
    expect(err).toMatch(/discipline = ".\/own.mjs" cannot run: .*--allow-modules/u);
  });

  test('explains every column of every table in the data dictionary, with its unit', async () => {
    const folder = emptyFolder();
    const out = join(folder, 'out');
    const study = studyFile(folder, { ...STUDY, seeds: 1, attacks: ['foreign-page-read'] });
    await cli('sweep', study, '--out', out, '--formats', 'csv');
    const heads = ['runs', 'guests', 'attacks'].flatMap((table) => {
      const [head = ''] = readFileSync(join(out, `${table}.csv`), 'utf8').split('\r\n');
      return head.split(',').map((column) => `${table},${column}`);
    });
    const dictionary = readFileSync(join(out, 'dictionary.csv'), 'utf8').trimEnd().split('\r\n').slice(1);
    expect(dictionary.map((row) => row.split(',').slice(0, 2).join(','))).toEqual(heads);
    expect(dictionary).toContain(
      'runs,goodputBps,number,bit/s,"Bits of frames that left, without preamble, check sequence and gap, per second of the run."',
    );
    expect(dictionary).toContain(
      'runs,load,number,bit/s,What the study varies: guests[a].traffic.wireRateBps',
    );
    for (const row of dictionary) expect(row).toMatch(/^\w+,\w+,(number|integer|text|boolean),[^,]*,.{3,}$/u);
  });

  test('leaves tables alone that are not of a sweep, and merges nothing where there is no journal', async () => {
    const folder = emptyFolder();
    const study = studyFile(folder, STUDY);
    writeFileSync(join(folder, 'runs.csv'), 'mine');
    const { code, err } = await cli('sweep', study, '--out', folder);
    expect(code).toBe(2);
    expect(err).toMatch(
      /--out is ".*", which has runs\.csv and no journal of a sweep, expected an empty folder/u,
    );
    expect(readFileSync(join(folder, 'runs.csv'), 'utf8')).toBe('mine');
    expect((await cli('sweep', 'merge', study, '--out', join(folder, 'none'))).err).toMatch(
      /no journal of a sweep is in .*none, expected some of shards/u,
    );
    expect(existsSync(join(folder, 'none'))).toBe(false);
  });

  test('refuses a variable that is called after a column, and leaves nothing', async () => {
    const folder = emptyFolder();
    const study = studyFile(folder, {
      ...STUDY,
      vary: [{ path: 'nic.rateBps', name: 'goodputBps', values: [1e9, 2e9] }],
    });
    const { code, err } = await cli('sweep', study, '--out', join(folder, 'out'));
    expect([code, err.split('\n').length]).toEqual([2, 2]);
    expect(err).toContain('vary names the column "goodputBps" of nic.rateBps, which the tables have already');
    expect(existsSync(join(folder, 'out'))).toBe(false);
  });

  test.each([
    ['windowNs', -5, 'windowNs is -5, expected a whole number from 1 to 3600000000000'],
    ['windowNs', 0.5, 'windowNs is 0.5, expected a whole number from 1 to 3600000000000'],
    ['warmUpNs', -5.5, 'warmUpNs is -5.5, expected a whole number from 0 to 3600000000000'],
    ['windowNs', 4e12, 'windowNs is 4000000000000, expected a whole number from 1 to 3600000000000'],
  ])('says in one line what %s may be when it is %d', async (field, value, message) => {
    const study = studyFile(emptyFolder(), { ...STUDY, [field]: value });
    const { code, err } = await cli('sweep', study, '--dry-run');
    expect([code, err]).toEqual([2, `${study}: ${message}\n`]);
  });

  test('calls a study that is not there a study', async () => {
    const path = join(emptyFolder(), 'none.json');
    const { code, err } = await cli('sweep', path, '--dry-run');
    expect([code, err]).toEqual([2, `${path}: cannot be read (no such file), expected a study file\n`]);
  });

  test('refuses modules of a study on a queue before the server is asked, unless they are allowed', async () => {
    const folder = emptyFolder();
    writeFileSync(join(folder, 'own.mjs'), 'export default () => { throw new Error("never"); };\n');
    const study = studyFile(folder, {
      ...STUDY,
      vary: [{ path: 'discipline', values: ['drr', './own.mjs'] }],
    });
    // Port 9 discards: no server answers there.
    const call = ['sweep', study, '--out', join(folder, 'out'), '--queue', 'redis://127.0.0.1:9'];
    const { code, err } = await cli(...call);
    expect(code).toBe(2);
    expect(err).toMatch(/discipline = ".\/own.mjs" cannot run: .*--allow-modules/u);
  });

  test('merges what is there of shards only when it is all, and says what is missing', async () => {
    const folder = emptyFolder();
    const out = join(folder, 'out');
    const study = studyFile(folder, { ...STUDY, seeds: [4, 5] });
    await cli('sweep', study, '--out', out, '--shard', '1/3');
    const part = await cli('sweep', 'merge', study, '--out', out);
    expect(part.code).toBe(2);
    expect(part.err).toContain(
      '8 of 12 runs are missing (of shards 2, 3 of 3), the first is protection = "none", load = 100000000, seed = 5; ' +
        `expected every run: cdna-nic sweep ${study} --out ${out} does the rest`,
    );
    expect(existsSync(join(out, 'runs.csv'))).toBe(false);
    const rest = await cli('sweep', study, '--out', out);
    expect(rest.code).toBe(0);
    expect(rest.out).toContain('4 of 12 runs were finished already');
    expect((await cli('sweep', 'merge', study, '--out', out)).code).toBe(0);
  });

  test('counts attacks that are missing from journals as runs that are', async () => {
    const folder = emptyFolder();
    const out = join(folder, 'out');
    await cli('sweep', studyFile(folder, STUDY), '--out', out);
    const study = studyFile(folder, { ...STUDY, attacks: ['foreign-page-read'] });
    const { code, err } = await cli('sweep', 'merge', study, '--out', out);
    expect(code).toBe(2);
    expect(err).toContain('12 of 12 runs are missing, the first is protection = "none"');
  });

  test('merges no folder that is not there', async () => {
    const folder = emptyFolder();
    const gone = join(folder, 'gone');
    const { code, err } = await cli(
      'sweep',
      'merge',
      studyFile(folder, STUDY),
      gone,
      '--out',
      join(folder, 'out'),
    );
    expect([code, err.split('\n').length]).toEqual([2, 2]);
    expect(err).toContain(`"${gone}" is no folder, expected one with journals of a sweep`);
    expect(existsSync(join(folder, 'out'))).toBe(false);
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
    expect(out).toMatch(/^6 points, 12 runs, about \d+ s on 1 thread/u);
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
    ['--shard', '0/3', /--shard is "0\/3", expected PART\/PARTS with PART from 1 to PARTS/u],
    ['--shard', '4/3', /--shard is "4\/3", expected PART\/PARTS with PART from 1 to PARTS/u],
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
