import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { cli, emptyFolder, STUDY, studyFile } from './study-lab.js';

const TABLES = ['runs.parquet', 'runs.csv', 'guests.parquet', 'guests.csv', 'dictionary.csv'];
const main = fileURLToPath(new URL('../../../src/cli/main.ts', import.meta.url));

function tables(folder: string): Record<string, string> {
  return Object.fromEntries(
    TABLES.map((name) => [name, readFileSync(join(folder, name)).toString('base64')]),
  );
}

test('a sweep writes the same bytes on one thread, on three, in shards, and after it was killed', async () => {
  const folder = emptyFolder();
  const study = studyFile(folder, STUDY);
  const at = (name: string) => join(folder, name);

  expect(await cli('sweep', study, '--out', at('one'), '--jobs', '1')).toMatchObject({ code: 0, err: '' });
  const expected = tables(at('one'));

  expect((await cli('sweep', study, '--out', at('three'), '--jobs', '3')).code).toBe(0);
  expect(tables(at('three'))).toEqual(expected);

  for (const part of ['1/3', '2/3', '3/3']) {
    expect((await cli('sweep', study, '--out', at('shards'), '--shard', part, '--jobs', '1')).code).toBe(0);
  }
  expect(existsSync(join(at('shards'), 'runs.csv'))).toBe(false);
  expect((await cli('sweep', 'merge', study, '--out', at('shards'))).code).toBe(0);
  expect(tables(at('shards'))).toEqual(expected);

  const child = spawn(process.execPath, [
    '--import',
    'tsx',
    main,
    'sweep',
    study,
    '--out',
    at('killed'),
    '--jobs',
    '1',
  ]);
  const journal = join(at('killed'), 'journal.ndjson');
  while (!existsSync(journal) || readFileSync(journal).length === 0) await sleep(20);
  child.kill('SIGKILL');
  await new Promise((resolve) => child.once('exit', resolve));
  expect((await cli('sweep', study, '--out', at('killed'), '--jobs', '1')).code).toBe(0);
  expect(tables(at('killed'))).toEqual(expected);
  expect(readdirSync(at('killed')).toSorted()).toEqual([...TABLES, 'journal.ndjson'].toSorted());
}, 120_000);
