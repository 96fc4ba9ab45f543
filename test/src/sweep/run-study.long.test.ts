import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { runStudy, type StudyRow } from '../../../src/index.js';
import type { StudyInput } from '../../../src/sweep/study-schema.js';
import { cli, emptyFolder, planOf, SCENARIO, STUDY, studyFile } from './study-lab.js';

async function rowsOf(rows: AsyncIterable<StudyRow>): Promise<StudyRow[]> {
  const all: StudyRow[] = [];
  for await (const row of rows) all.push(row);
  return all;
}

describe('runStudy', () => {
  test('yields the rows of the table of runs, in the order of the study', async () => {
    const folder = emptyFolder();
    const study = studyFile(folder, { ...STUDY, attacks: ['foreign-page-read'] });
    await cli('sweep', study, '--out', join(folder, 'out'), '--formats', 'ndjson');
    const table = readFileSync(join(folder, 'out/runs.ndjson'), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    const rows = await rowsOf(runStudy(study, { jobs: 2, folder: join(folder, 'kept') }));
    expect(rows).toHaveLength(12);
    for (const [at, row] of rows.entries()) {
      const { point, values, seed, approach, scheduler, fingerprint, key, metrics } = row;
      expect(table[at]).toMatchObject({ point, ...values, seed, approach, scheduler, fingerprint, key });
      expect(table[at]).toMatchObject(metrics);
      expect(row.guests.map(({ guest }) => guest)).toEqual(['a', 'b']);
      expect(row.attacks.map(({ attack }) => attack)).toEqual(['foreign-page-read']);
    }
    // The second time everything is in the journal: the same rows, and none is run.
    const journal = join(folder, 'kept/journal.ndjson');
    const before = readFileSync(journal, 'utf8');
    expect(await rowsOf(runStudy(study, { jobs: 1, folder: join(folder, 'kept') }))).toEqual(rows);
    expect(readFileSync(journal, 'utf8')).toBe(before);
  }, 30_000);

  test('ends its threads when the consumer stops, and when the signal aborts', async () => {
    const stop = new AbortController();
    const seen: number[] = [];
    const many: StudyInput = { ...STUDY, seeds: 200 };
    const aborted = async () => {
      for await (const { point } of runStudy(many, { jobs: 1, signal: stop.signal })) {
        seen.push(point);
        if (seen.length === 3) stop.abort(new Error('enough'));
      }
    };
    await expect(aborted()).rejects.toThrow('enough');
    expect(seen).toEqual([0, 0, 0]);
    for await (const { seed } of runStudy(many, { jobs: 1 })) {
      expect(seed).toBe((await planOf(many)).seeds[0]);
      break;
    }
  }, 30_000);

  test.each<[string, StudyInput, object, RegExp]>([
    [
      'an unknown field',
      { scenario: SCENARIO, vary: [{ path: 'nic.rate', values: [1] }] },
      {},
      /nearest are nic\.rateBps/u,
    ],
    [
      'a scenario that cannot be run',
      { scenario: { guests: [{ weight: 0 }] } },
      {},
      /study: scenario: guests\[0\]\.weight is 0/u,
    ],
    ['no threads', { scenario: SCENARIO }, { jobs: 0 }, /runStudy: jobs is 0, expected a whole number/u],
  ])('refuses %s before anything runs', async (_what, study, options, message) => {
    await expect(rowsOf(runStudy(study, options))).rejects.toThrow(message);
  });

  test('reads the scenario that a study names relative to its directory', async () => {
    const folder = emptyFolder();
    writeFileSync(join(folder, 'scenario.json'), JSON.stringify(SCENARIO));
    const study: StudyInput = { scenario: 'scenario.json', windowNs: 100_000 };
    const [row] = await rowsOf(runStudy(study, { jobs: 1, directory: folder }));
    expect(row?.guests).toHaveLength(2);
  }, 30_000);
});
