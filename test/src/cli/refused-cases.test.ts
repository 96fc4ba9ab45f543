import { readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { scratchFolder } from '../report/scratch-folder.js';
import { invoke } from './invoke.js';

const scratch = scratchFolder();
const fixture = (name: string) => `test/fixtures/cases/${name}.json`;

/** Files on which something once went wrong, and what is said of each: the field of the scenario and what was expected. */
const REFUSED: [name: string, said: RegExp][] = [
  ['amdvi-cachingmode', /: iommu\.cachingMode is true, expected none with iommu\.vendor "amdvi"/u],
  ['burst-bytes', /: guests\[0\]\.share\.burstBytes is 2097152, expected a whole number from 0 to 1048576$/u],
  ['cost-huge', /: host\.costs\.doorbell is 1e\+30, expected a number from 0 to 1000000000$/u],
  ['cost-1e308', /: host\.costs\.hypercall is 1e\+308, expected a number from 0 to 1000000000$/u],
  [
    'control-name',
    /: guests\[0\]\.name is "a\\u001b\[31mred\\u0000\\nb", expected characters that can be printed/u,
  ],
  ['4096-guests', /guests: 4096 guests need \d+ MB .*memoryMegabytes/u],
];

test.for(REFUSED)('%s is refused in one line that names the field', async ([name, said]) => {
  const { code, out, err } = await invoke('run', fixture(name));
  expect([code, out]).toEqual([2, '']);
  expect(err.trimEnd().split('\n')).toHaveLength(1);
  expect(err.trimEnd()).toMatch(said);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that there are none is what is tested
  expect(err.trimEnd()).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/u);
});

test('nesting of any depth is refused in one line', async () => {
  const path = scratch.path('deep.json');
  writeFileSync(path, `{"guests":[{"traffic":${'['.repeat(200_000)}${']'.repeat(200_000)}}]}`);
  const { code, err } = await invoke('run', path);
  expect([code, err]).toEqual([2, `${path}: is nested more than 64 levels deep, expected a scenario\n`]);
});

test('millions of guests are counted and not made', async () => {
  const path = scratch.path('guests-16M.json');
  writeFileSync(path, JSON.stringify({ guests: Array.from({ length: 4096 }, () => ({ count: 4096 })) }));
  const { code, err } = await invoke('run', path);
  expect(code).toBe(2);
  expect(err).toMatch(/guests is \[.*, expected at most 16384 guests in all, not 16777216$/mu);
});

const PLAIN = '{"guests":[{"traffic":{"kind":"greedy"}}],"durationNs":100000}';

test.for([
  ['UTF-8', Buffer.from(`\ufeff${PLAIN}`, 'utf8')],
  ['UTF-16, little end first', Buffer.from(`\ufeff${PLAIN}`, 'utf16le')],
  ['UTF-16, big end first', Buffer.from(`\ufeff${PLAIN}`, 'utf16le').swap16()],
  ['a case', readFileSync(fixture('bom'))],
  ['another', readFileSync(fixture('bom-2'))],
] as const)('a scenario with a byte order mark is read: %s', async ([, bytes]) => {
  const path = scratch.path('bom.json');
  writeFileSync(path, bytes);
  const { code, err } = await invoke('run', path, '--duration', '100us');
  expect([code, err]).toEqual([0, '']);
});

test.for([
  ['5ms', ' of nanoseconds: 5000000'],
  ['1.5 us', ' of nanoseconds: 1500'],
  ['soon', ' (nanoseconds)'],
])('a time of %j where nanoseconds are expected is told so', async ([given, hint]) => {
  const path = scratch.path('unit.json');
  writeFileSync(path, JSON.stringify({ guests: [{ coalesceNs: given }], durationNs: given }));
  const { code, err } = await invoke('run', path);
  expect(code).toBe(2);
  expect(err.trimEnd().split('\n')).toEqual([
    expect.stringMatching(/guests\[0\]\.coalesceNs is ".*", expected a number.*/u),
    expect.stringMatching(/durationNs is ".*", expected a number/u),
  ]);
  for (const line of err.trimEnd().split('\n')) expect(line.endsWith(hint ?? '')).toBe(true);
});
