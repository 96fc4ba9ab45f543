import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { ScenarioInput } from '../../src/scenario/schema.js';
import { invoke } from '../src/cli/invoke.js';

// Sockets have short names: 108 bytes on Linux (unix(7)).
const folder = mkdtempSync(join(tmpdir(), 's-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const path = (name: string) => join(folder, name);

function scenario(name: string, input: ScenarioInput): string {
  writeFileSync(path(name), JSON.stringify(input));
  return path(name);
}

const REAL = { name: 'red', attached: true, memoryMegabytes: 4 };
const good = scenario('good.json', { guests: [REAL] });
const serve = (file: string, ...options: string[]) => invoke('serve', file, '--duration', '10ms', ...options);

/** Folders that a server in this process made and left. */
function ramFolders(): string[] {
  return ['/dev/shm', tmpdir()]
    .filter((place) => existsSync(place))
    .flatMap((place) => readdirSync(place).filter((name) => name.startsWith(`cdna-nic-${process.pid}-`)));
}

describe('serve refuses in one line, leaves no file, and ends with 2', () => {
  const cases: [what: string, file: string, options: string[], said: RegExp][] = [
    ['a scenario that is not there', path('none.json'), [], /none\.json: cannot be read \(no such file\)/u],
    [
      'a scenario without a real guest',
      scenario('unattached.json', { guests: [{ traffic: { kind: 'greedy' } }] }),
      [],
      /unattached\.json: guests: none has "attached": true, expected at least one/u,
    ],
    [
      'a real guest whose name leads out of the folder',
      scenario('dots.json', { guests: [{ ...REAL, name: '../red' }] }),
      [],
      /dots\.json: guests: a real one is named "\.\.\/red", expected letters, digits/u,
    ],
    [
      'a real guest with the name of the way out',
      scenario('uplink.json', { guests: [{ ...REAL, name: 'uplink' }] }),
      [],
      /a real one is named "uplink", expected .* and not "uplink"/u,
    ],
    [
      'more RAM than a machine of QEMU has in one piece',
      scenario('large.json', { guests: [{ ...REAL, memoryMegabytes: 4096 }] }),
      [],
      /red\.memoryMegabytes is 4096, expected at most 2048/u,
    ],
    ['an unknown approach', good, ['--protection', 'iomu'], /^--protection is "iomu", expected one of: /u],
    ['an unknown scheduler', good, ['--discipline', 'rr'], /^--discipline is "rr", expected one of: fifo/u],
    [
      'an unknown policy',
      good,
      ['--policy', 'shout'],
      /^--policy is "shout", expected one of: log, revoke, kill/u,
    ],
    ['a time without a unit', good, ['--spin', '5'], /^--spin is "5", expected a time/u],
    ['a seed that is none', good, ['--seed', '-1'], /^--seed is "-1", expected a whole number/u],
    [
      'a log in a folder that is not there',
      good,
      ['--record', path('nowhere/session')],
      /^--record is ".*nowhere\/session", which cannot be written \(ENOENT/u,
    ],
    [
      'a log that is a folder',
      good,
      ['--record', folder],
      /^--record is ".*", which is a folder; expected a file/u,
    ],
    [
      'a log over a file of another program',
      good,
      ['--record', scenario('letter', { guests: [] })],
      /letter: cannot be written: it is there and is no file of cdna-nic; --force/u,
    ],
    [
      'log and capture in one file',
      good,
      ['--record', path('both'), '--capture', path('both')],
      /^--capture is ".*both", the file of --record too/u,
    ],
    [
      'a capture in a folder that is not there',
      good,
      ['--capture', path('nowhere/x.pcapng')],
      /nowhere\/x\.pcapng: cannot be written/u,
    ],
    [
      'sockets below a file',
      good,
      ['--dir', join(good, 's')],
      /^--dir is ".*good\.json\/s", which cannot be made \(ENOTDIR|EEXIST/u,
    ],
    [
      'sockets with a name that is too long for one',
      good,
      ['--dir', path('l'.repeat(120))],
      /no socket can be made there .*expected a folder of your own with a short name/u,
    ],
  ];
  it.each(cases)('%s', async (_what, file, options, said) => {
    const letter = existsSync(path('letter')) ? readFileSync(path('letter'), 'utf8') : '';
    const { code, out, err } = await serve(file, ...options);
    expect(err).toMatch(said);
    expect([code, out, err.trimEnd().split('\n').length]).toEqual([2, '', 1]);
    expect(ramFolders()).toEqual([]);
    if (letter !== '') expect(readFileSync(path('letter'), 'utf8')).toBe(letter);
  });

  it('a folder in which others may write', async () => {
    mkdirSync(path('open'));
    chmodSync(path('open'), 0o777);
    const { code, err } = await serve(good, '--dir', path('open'));
    expect(err).toMatch(
      /^--dir is ".*open", where others may write, expected a folder that only you can change/u,
    );
    expect(code).toBe(2);
  });

  it('a socket whose place is taken by a file, which stays as it is', async () => {
    mkdirSync(path('taken'), { mode: 0o700 });
    writeFileSync(path('taken/red.sock'), 'mine');
    const { code, err } = await serve(good, '--dir', path('taken'));
    expect(err).toContain('taken/red.sock is there and is no socket');
    expect(code).toBe(2);
    expect(readFileSync(path('taken/red.sock'), 'utf8')).toBe('mine');
    symlinkSync(path('taken/red.sock'), path('taken/uplink.sock'));
    rmSync(path('taken/red.sock'));
    expect((await serve(good, '--dir', path('taken'))).code).toBe(2);
  });

  it('a folder in which another serve listens: that one goes on', async () => {
    mkdirSync(path('busy'), { mode: 0o700 });
    const other = createServer((socket) => socket.destroy());
    await new Promise<void>((resolve) => other.listen(path('busy/uplink.sock'), resolve));
    try {
      const { code, err } = await serve(good, '--dir', path('busy'));
      expect(err).toMatch(
        /^--dir is ".*busy", where another serve listens, expected a folder of its own\n$/u,
      );
      expect(code).toBe(2);
      expect(statSync(path('busy/uplink.sock')).isSocket()).toBe(true);
    } finally {
      other.close();
    }
  });

  it.skipIf(process.platform !== 'linux')(
    'a disk that is full: the log says so once, and the session ends',
    async () => {
      const mode = statSync('/dev/full').mode;
      const { code, err } = await invoke(
        'serve',
        good,
        '--record',
        '/dev/full',
        '--force',
        '--duration',
        '50ms',
      );
      expect(err).toMatch(/\/dev\/full: cannot be written \(ENOSPC.*what was logged before is kept/u);
      expect(err.match(/ENOSPC/gu)).toHaveLength(1);
      expect(code).toBe(2);
      expect(ramFolders()).toEqual([]);
      expect(statSync('/dev/full').mode).toBe(mode);
    },
  );
});

it('a server that was killed leaves sockets: the next one replaces them', async () => {
  mkdirSync(path('stale'), { mode: 0o700 });
  const dead = createServer();
  await new Promise<void>((resolve) => dead.listen(path('stale/x.sock'), resolve));
  // A socket that is renamed is not removed by its server's end.
  const { renameSync } = await import('node:fs');
  renameSync(path('stale/x.sock'), path('stale/red.sock'));
  await new Promise((resolve) => dead.close(resolve));
  expect(statSync(path('stale/red.sock')).isSocket()).toBe(true);
  const { code, err } = await serve(good, '--dir', path('stale'));
  expect(err).toContain('# red:');
  expect(code).toBe(0);
  expect(readdirSync(path('stale'))).toEqual([]);
});
