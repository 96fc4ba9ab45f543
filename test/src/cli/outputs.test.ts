import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runCli } from '../../../src/cli/program.js';
import { visibleProgress, visibleText } from '../../../src/cli/visible-text.js';
import { AtomicFile } from '../../../src/report/atomic-file.js';
import { scratchFolder } from '../report/scratch-folder.js';
import { invoke } from './invoke.js';

const scratch = scratchFolder();
const SHORT = ['--duration', '1ms', '--protection', 'none'];

/**
 * A folder in which the capture or the timeline of a run goes to a device that is always full: a file grows under a
 * name with the number of the process and a serial number.
 */
function fullFolder(name: string, target: string, after: number): string {
  const folder = scratch.path(name);
  mkdirSync(folder);
  const probe = new AtomicFile(join(folder, target));
  const temporary = readdirSync(folder).find((one) => one.endsWith('.partial')) ?? '';
  probe.abort();
  const serial = Number(/-(\d+)\.partial$/u.exec(temporary)?.[1]);
  // Two files are opened before to see whether they can be.
  symlinkSync('/dev/full', join(folder, `.${target}.${process.pid}-${serial + 3 + after}.partial`));
  return folder;
}

test.skipIf(!existsSync('/dev/full')).for([
  ['none.pcapng', 0],
  ['none.pftrace', 1],
] as const)(
  'a disk that fills while %s is written stops the run: one line, and no debris',
  async ([target, after]) => {
    const folder = fullFolder(`full-${after}`, target, after);
    const { code, out, err } = await invoke('run', ...SHORT, '--duration', '20ms', '--out', folder);
    expect([code, out]).toEqual([2, '']);
    expect(err).toMatch(new RegExp(`^.*${target}: cannot be written: ENOSPC[^\\n]*\\n$`, 'u'));
    expect(readdirSync(folder)).toEqual([]);
  },
);

test('files of other origin stay unless --force; ours are written anew', async () => {
  const folder = scratch.path('mine');
  mkdirSync(folder);
  writeFileSync(join(folder, 'run.json'), '{"my":"thesis"}');
  const refused = await invoke('run', ...SHORT, '--out', folder);
  expect(refused).toMatchObject({ code: 2, out: '' });
  expect(refused.err).toMatch(
    /run\.json: cannot be written: it is there and is no file of cdna-nic; --force writes over it/u,
  );
  expect(readFileSync(join(folder, 'run.json'), 'utf8')).toBe('{"my":"thesis"}');
  expect(readdirSync(folder)).toEqual(['run.json']);
  expect((await invoke('run', ...SHORT, '--out', folder, '--force')).code).toBe(0);
  expect((await invoke('run', ...SHORT, '--out', folder)).code).toBe(0);
  const capture = scratch.path('notes.pcapng');
  writeFileSync(capture, 'shopping list');
  expect((await invoke('run', ...SHORT, '--pcapng', capture)).code).toBe(2);
  expect((await invoke('run', ...SHORT, '--pcapng', capture, '--force')).code).toBe(0);
  expect((await invoke('run', ...SHORT, '--pcapng', capture)).code).toBe(0);
});

test('what a dead process left of a file is cleared when the file is written again; that of a live one stays', async () => {
  const folder = scratch.path('stale');
  mkdirSync(folder);
  // A process that has ended: its number is free.
  const { pid } = spawnSync(process.execPath, ['-e', '']);
  writeFileSync(join(folder, `.run.json.${pid}-3.partial`), 'half');
  writeFileSync(join(folder, `.run.json.${process.ppid}-1.partial`), 'growing');
  writeFileSync(join(folder, '.run.json.notes.partial'), 'not ours');
  for (const name of ['none.pcapng', 'none.pftrace', 'run.html'])
    writeFileSync(join(folder, `.${name}.${pid}-1.partial`), 'half');
  expect((await invoke('run', ...SHORT, '--out', folder)).code).toBe(0);
  expect(readdirSync(folder).filter((name) => name.endsWith('.partial'))).toEqual(
    [`.run.json.${process.ppid}-1.partial`, '.run.json.notes.partial'].sort(),
  );
});

test('a terminal that goes away (SIGHUP) ends a run with 129 and leaves nothing', async () => {
  const folder = scratch.path('hangup');
  const before = process.listenerCount('SIGHUP');
  const answer = invoke('run', '--duration', '10s', '--out', folder);
  while (process.listenerCount('SIGHUP') === before) await new Promise((resolve) => setImmediate(resolve));
  process.emit('SIGHUP', 'SIGHUP');
  expect(await answer).toEqual({ code: 129, out: '', err: 'stopped by SIGHUP; nothing was written\n' });
  expect(existsSync(folder)).toBe(false);
});

test('control characters of paths and names do not reach the terminal, nor do turned directions', async () => {
  const said: string[] = [];
  const code = await runCli(['run', '\u001b[31mred\u009b2J\u202e.json'], {
    out: (text) => said.push(text),
    err: (text) => said.push(text),
    errIsTerminal: false,
    columns: 100,
    program: 'cdna-nic',
  });
  expect(code).toBe(2);
  expect(said.join('')).toContain('\\u001b[31mred\\u009b2J\\u202e.json: cannot be read');
  expect(visibleText('a\tb\nc\u0000\u007f')).toBe('a\tb\nc\\u0000\\u007f');
  expect(visibleProgress('\r\u001b[K5 %\u0007')).toBe('\r\u001b[K5 %\\u0007');
  expect(JSON.parse(visibleText(JSON.stringify({ a: '\u009b\u2028' })))).toEqual({ a: '\u009b\u2028' });
});
