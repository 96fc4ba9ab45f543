import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { invoke } from '../src/cli/invoke.js';
import { scratchFolder } from '../src/report/scratch-folder.js';
import { runs } from '../support/whole.js';
import { record } from './support/recorded-session.js';

const scratch = scratchFolder();
record(scratch.path('good'), 'cdna');
const GOOD = readFileSync(scratch.path('good'));
const HEADER_END = GOOD.indexOf('\n', GOOD.indexOf('\n') + 1) + 1;

function written(name: string, content: string | Uint8Array): string {
  writeFileSync(scratch.path(name), content);
  return scratch.path(name);
}

/** The good log with another header. */
function headed(name: string, header: string): string {
  return written(
    name,
    Buffer.concat([Buffer.from(`cdna-nic session 1\n${header}\n`), GOOD.subarray(HEADER_END)]),
  );
}

const header = JSON.parse(GOOD.subarray(GOOD.indexOf('\n'), HEADER_END).toString()) as Record<
  string,
  unknown
>;
const withField = (field: string, value: unknown) => JSON.stringify({ ...header, [field]: value });

describe('replay refuses in one line, and ends with 2', () => {
  mkdirSync(scratch.path('folder'));
  const cases: [what: string, path: string, said: RegExp][] = [
    [
      'a file that is not there',
      scratch.path('none'),
      /none: cannot be read \(no such file\), expected the log/u,
    ],
    ['a folder', scratch.path('folder'), /folder: is not the log of a session/u],
    ['a file of another program', written('letter', 'dear reader'), /letter: is not the log of a session/u],
    ['megabytes of one line', written('line', 'a'.repeat(6e6)), /line: is not the log of a session/u],
    ['an empty file', written('empty', ''), /empty: is not the log of a session/u],
    [
      'the log of a later edition',
      written('newer', GOOD.toString('latin1').replace('session 1', 'session 2')),
      /newer: is a session log of edition "2", expected 1: another version of cdna-nic wrote it/u,
    ],
    ['a log with half a header', written('half', GOOD.subarray(0, 60)), /half: is not the log of a session/u],
    [
      'a log without a seed',
      headed('seedless', withField('seed', 'x')),
      /seedless: is not the log of a session/u,
    ],
    [
      'a log of an approach that is not there',
      headed('foreign', withField('protection', 'magic')),
      /protection is "magic", expected one of/u,
    ],
    [
      'a log with a scenario that is none',
      headed('scenarioless', withField('scenario', { guests: [] })),
      /scenarioless: guests is \[\], expected/u,
    ],
    [
      'a log with a guest that leads out of a folder',
      headed('dots', withField('scenario', { guests: [{ name: '../x', attached: true }] })),
      /a real one is named "\.\.\/x"/u,
    ],
    [
      'an entry of no kind',
      written('kind', Buffer.concat([GOOD.subarray(0, HEADER_END), new Uint8Array([77])])),
      /kind: an entry of kind 77, expected 1 to \d+/u,
    ],
    [
      'a guest that is not there',
      written('guest', Buffer.concat([GOOD.subarray(0, HEADER_END), new Uint8Array([2, 99])])),
      /guest: guest 99, expected one below 2: the file is damaged/u,
    ],
    [
      'a weight of 0',
      written('weight', Buffer.concat([GOOD.subarray(0, HEADER_END), new Uint8Array([7, 0, 0])])),
      /weight: a weight of 0, expected 1 to \d+: the file is damaged/u,
    ],
    [
      'an entry of a petabyte',
      written(
        'huge',
        Buffer.concat([GOOD.subarray(0, HEADER_END), new Uint8Array([6, ...Array(6).fill(255), 127])]),
      ),
      /huge: an entry of \d+ bytes, expected at most \d+: the file is damaged/u,
    ],
    [
      'a number without an end',
      written(
        'endless',
        Buffer.concat([GOOD.subarray(0, HEADER_END), new Uint8Array(100).fill(255).fill(1, 0, 1)]),
      ),
      /endless: a number above \d+: the file is damaged/u,
    ],
    [
      'a number of zeros without an end',
      written(
        'zeros',
        Buffer.concat([
          GOOD.subarray(0, HEADER_END),
          new Uint8Array(200).fill(128).fill(1, 0, 1),
          Buffer.of(0),
        ]),
      ),
      /zeros: a number above \d+: the file is damaged/u,
    ],
  ];
  it.each(cases)('%s', async (_what, path, said) => {
    const { code, out, err } = await invoke('replay', path);
    expect(err).toMatch(said);
    expect([code, out, err.trimEnd().split('\n').length]).toEqual([2, '', 1]);
  });

  it('no file at all', async () => {
    const { code, err } = await invoke('replay');
    expect(err).toMatch(/session/u);
    expect(code).toBe(2);
  });
});

describe('a log that is not whole', () => {
  it('is replayed up to where it was cut, wherever that is, and says so', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: HEADER_END, max: GOOD.length - 1 }), async (bytes) => {
        const { code, out, err } = await invoke('replay', written('cut', GOOD.subarray(0, bytes)));
        expect(err).toBe('');
        expect(out).toContain('the log ends without a fingerprint (the server was killed)');
        expect(code).toBe(0);
      }),
      { numRuns: runs(60) },
    );
  });

  it('or has other bytes departs, is refused, or is the same: never a defect of the program', async () => {
    const seen = new Set<number>();
    const damage = fc.array(
      fc.tuple(fc.integer({ min: HEADER_END, max: GOOD.length - 1 }), fc.integer({ min: 0, max: 255 })),
      { minLength: 1, maxLength: 4 },
    );
    await fc.assert(
      fc.asyncProperty(damage, async (list) => {
        const bytes = new Uint8Array(GOOD);
        for (const [at, value] of list) bytes[at] = value;
        const { code, err } = await invoke('replay', written('damaged', bytes));
        expect(err).not.toContain('this should not happen');
        expect(err.split('\n').length).toBeLessThanOrEqual(2);
        seen.add(code);
      }),
      { numRuns: runs(160) },
    );
    expect(seen).toContain(2);
  });
});
