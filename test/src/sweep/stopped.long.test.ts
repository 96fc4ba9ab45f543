import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { cli, emptyFolder, STUDY, studyFile } from './study-lab.js';

const main = fileURLToPath(new URL('../../../src/cli/main.ts', import.meta.url));
const TABLES = ['runs.parquet', 'runs.csv', 'guests.parquet', 'guests.csv', 'dictionary.csv'];
/** Long enough to be stopped in the middle, and more than a small disk holds. */
const LARGER = { ...STUDY, seeds: 20, windowNs: 400_000 };

const linesOf = (path: string) => (existsSync(path) ? readFileSync(path, 'utf8').split('\n').length - 1 : 0);

function same(one: string, other: string): void {
  for (const name of TABLES) {
    expect(readFileSync(join(one, name)).equals(readFileSync(join(other, name))), name).toBe(true);
  }
}

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGKILL', null],
] as const)(
  '%s loses no finished run, and the same command goes on from there',
  async (signal, exit) => {
    const folder = emptyFolder();
    const study = studyFile(folder, LARGER);
    const [stopped, whole] = [join(folder, 'stopped'), join(folder, 'whole')];
    await cli('sweep', study, '--out', whole);
    const journal = join(stopped, 'journal.ndjson');
    const call = ['--import', 'tsx', main, 'sweep', study, '--out', stopped, '--jobs', '1'];
    const child = spawn(process.execPath, call);
    let said = '';
    child.stderr.on('data', (text: Buffer) => {
      said += text;
    });
    const ended = new Promise((resolve) => child.once('close', resolve));
    while (linesOf(journal) < 5) await sleep(5);
    child.kill(signal);
    expect(await ended).toBe(exit);
    const finished = readFileSync(journal, 'utf8').split('\n').slice(0, -1);
    expect(finished.length).toBeLessThan(120);
    if (signal !== 'SIGKILL') {
      expect(said).toBe(
        `stopped by ${signal}; ${finished.length} finished runs are in ${journal}, and the same command goes on from there\n`,
      );
      expect(readdirSync(stopped)).toEqual(['journal.ndjson']);
    }
    expect(await cli('sweep', study, '--out', stopped)).toMatchObject({ code: 0, err: '' });
    same(stopped, whole);
    // Nothing was run twice: what was finished stands where it stood.
    const lines = readFileSync(journal, 'utf8').split('\n').slice(0, -1);
    expect(lines.slice(0, finished.length)).toEqual(finished);
    expect(lines).toHaveLength(120);
  },
  120_000,
);

/** A disk of a few pages, gone after the test; undefined where this user may not mount one. */
function smallDisk(path: string): { readonly grow: () => void } | undefined {
  mkdirSync(path);
  const mount = (...args: string[]) => spawnSync('mount', args).status === 0;
  if (!mount('-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', path)) return undefined;
  onTestFinished(() => void spawnSync('umount', [path]));
  return { grow: () => void mount('-o', 'remount,size=16m', path) };
}

test('a full disk loses no finished run, and the same command goes on when there is space', async (context) => {
  const folder = emptyFolder();
  const disk = smallDisk(join(folder, 'disk'));
  if (disk === undefined) {
    process.stderr.write('\n*** no right to mount a small disk: a sweep on a full one is SKIPPED ***\n\n');
    context.skip();
    return;
  }
  const study = studyFile(folder, LARGER);
  await cli('sweep', study, '--out', join(folder, 'whole'));
  const out = join(folder, 'disk/out');
  const journal = join(out, 'journal.ndjson');
  const { code, err } = await cli('sweep', study, '--out', out);
  expect(code).toBe(2);
  expect(err).toMatch(/^.*journal\.ndjson: cannot be written: ENOSPC[^\n]*\n$/u);
  const finished = readFileSync(journal, 'utf8');
  expect(finished.endsWith('\n')).toBe(true);
  expect(linesOf(journal)).toBeGreaterThan(20);
  expect(linesOf(journal)).toBeLessThan(120);
  disk.grow();
  expect(await cli('sweep', study, '--out', out)).toMatchObject({ code: 0, err: '' });
  expect(readFileSync(journal, 'utf8').startsWith(finished)).toBe(true);
  same(out, join(folder, 'whole'));
}, 120_000);
