import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { scratchFolder } from '../report/scratch-folder.js';
import { invoke } from './invoke.js';

const scratch = scratchFolder();
const BULK = new URL('../../../captures/bulk.pcap', import.meta.url);
writeFileSync(scratch.path('bulk.pcap'), readFileSync(BULK));
writeFileSync(scratch.path('cut.pcap'), readFileSync(BULK).subarray(0, 5000));
const damaged = readFileSync(BULK);
damaged.writeUInt32LE(0xffff_ffff, 24 + 8);
writeFileSync(scratch.path('damaged.pcap'), damaged);
writeFileSync(scratch.path('text.pcap'), 'this is no capture at all, it is a letter');

const guest = (fields: object) => ({ guests: [fields] });
const greedy = (fields: object) => guest({ traffic: { kind: 'greedy', ...fields } });
const replay = (fields: object) => guest({ traffic: { kind: 'replay', ...fields } });

/** A scenario with one mistake, and what is said about it: field, value, what was expected. */
const SCENARIOS: [mistake: string, scenario: unknown, said: RegExp][] = [
  ['no guests', { guests: [] }, /guests is \[\], expected a list of at least 1 item/u],
  ['not an object', [], /the scenario is \[\], expected an object/u],
  ['an unknown key', guest({ trafic: {} }), /guests\[0\]\.trafic is not a field .* name, count, traffic, /u],
  [
    'an unknown key at the top',
    { guests: [{}], baloon: {} },
    /: baloon is not a field that is known here, expected one of: .*guests, .*balloon, /u,
  ],
  [
    'an unknown key deep inside',
    greedy({ size: 5 }),
    /guests\[0\]\.traffic\.size is not a field .*expected one of: kind, frameBytes, to, startNs$/mu,
  ],
  [
    'an unknown key of one kind of traffic',
    replay({ capture: 'bulk.pcap', to: 'b' }),
    /traffic\.to is not a field .*expected one of: kind, capture, timeFactor, loop, /u,
  ],
  [
    'an unknown key of the bus',
    { guests: [{}], nic: { pcie: { lane: 8 } } },
    /nic\.pcie\.lane is not a field .*expected one of: generation, lanes, /u,
  ],
  ['an unknown kind', guest({ traffic: { kind: 'greedi' } }), /kind is "greedi", expected 'greedy' \| /u],
  [
    'a wrong type',
    greedy({ frameBytes: true }),
    /frameBytes is true, expected a number, or a list, or "imix"/u,
  ],
  [
    'a frame too long',
    greedy({ frameBytes: 9019 }),
    /frameBytes is 9019, expected .*a number of at most 9018/u,
  ],
  ['no power of two', guest({ transmitSlots: 100 }), /transmitSlots is 100, expected a power of two/u],
  ['a missing field', guest({ traffic: { kind: 'poisson' } }), /wireRateBps is missing, expected a number/u],
  [
    'a time without end',
    { guests: [{}], iommu: { timeoutNs: 1e300 } },
    /: iommu\.timeoutNs is 1e\+300, expected a number of at most 3600000000000$/mu,
  ],
  [
    'a negative duration',
    { guests: [{}], durationNs: -5 },
    /durationNs is -5, expected a number of at least 1/u,
  ],
  [
    'an unknown approach',
    { guests: [{}], protection: 'iomu' },
    /protection is "iomu", expected one of: none/u,
  ],
  ['an unknown scheduler', { guests: [{}], discipline: 'rr' }, /discipline is "rr", expected one of: fifo/u],
  [
    'a scheduler with a prefix that every object has',
    { guests: [{}], discipline: 'toString:drr' },
    /discipline is "toString:drr", expected one of: fifo/u,
  ],
  [
    'an approach with a name that every object has',
    { guests: [{}], protection: 'iommu:constructor' },
    /protection is "iommu:constructor", expected one of: none/u,
  ],
  [
    'a cost with a name that every object has',
    { guests: [{}], host: { costs: { constructor: 3 } } },
    /host\.costs\.constructor is not a field that is known here/u,
  ],
  [
    'a card too slow',
    { guests: [{}], nic: { rateBps: 5 } },
    /nic\.rateBps is 5, expected a whole number from/u,
  ],
  [
    'a bus of the future',
    { guests: [{}], nic: { pcie: { generation: 9 } } },
    /generation is 9, expected one of 1\|2\|3/u,
  ],
  [
    'an unknown cost',
    { guests: [{}], host: { costs: { syscall: 5 } } },
    /host\.costs\.syscall is not a field .*expected one of: hypercall, /u,
  ],
  ['too few contexts', { guests: [{ count: 9 }], nic: { contexts: 3 } }, /all 3 contexts are taken/u],
  ['no guest of that name', greedy({ to: 'b' }), /traffic\.to is "b", expected the name of a guest: guest0/u],
  ['one name twice', { guests: [{ name: 'a' }, { name: 'a' }] }, /two are named "a"/u],
  ['no such capture', replay({ capture: 'no.pcap' }), /no\.pcap: .*no such file/u],
  [
    'a damaged capture',
    replay({ capture: 'damaged.pcap' }),
    /damaged\.pcap: byte 32, packet 1: captured length is 4294967295, expected at most/u,
  ],
  ['no capture at all', replay({ capture: 'text.pcap' }), /text\.pcap: byte 0: .*expected/u],
  ['no address', replay({ capture: 'bulk.pcap', local: 'zz' }), /address is "zz", expected six bytes/u],
  ['a stranger', replay({ capture: 'bulk.pcap', local: '02:00:00:00:00:01' }), /expected a station of bulk/u],
];

test.for(SCENARIOS)('%s', async ([, scenario, said]) => {
  const path = scratch.path('mistake.json');
  writeFileSync(path, JSON.stringify(scenario));
  const { code, out, err } = await invoke('run', path, '--duration', '1ms');
  expect(err).toMatch(said);
  expect([code, out]).toEqual([2, '']);
  expect(err.trimEnd().split('\n')).toHaveLength(1);
  expect(err).not.toMatch(/\n\s+at /u);
});

test('a capture whose tail is cut is played up to there, and text and JSON say so', async () => {
  const path = scratch.path('cut.json');
  writeFileSync(path, JSON.stringify(replay({ capture: 'cut.pcap' })));
  const note =
    /cut\.pcap ends within packet 22: \d+ of at least \d+ bytes are there, from byte 4884 on; 21 packets/u;
  const text = await invoke('run', path, '--duration', '1ms');
  expect([text.code, text.err]).toEqual([0, '']);
  expect(text.out).toMatch(note);
  const { code, out, err } = await invoke('run', path, '--duration', '1ms', '--json');
  expect(code).toBe(0);
  const document = JSON.parse(out) as { format: number; notes: string[] };
  expect(document.format).toBe(2);
  expect(document.notes[0]).toMatch(note);
  expect(err).toMatch(note);
});

const OPTIONS: [string[], RegExp][] = [
  [['--duration', '5'], /^--duration is "5", expected a time .* with its unit/u],
  [['--duration', '-5ms'], /^--duration is "-5ms", expected a time above 0/u],
  [['--duration', '0ms'], /^--duration is "0ms", expected a time above 0/u],
  [['--duration', '2h'], /^--duration is "2h"/u],
  [['--seed', '1.5'], /^--seed is "1.5", expected a whole number from 0 to 4294967295/u],
  [['--seed', '-1'], /^--seed is "-1"/u],
  [['--pcapng', 'same', '--trace', './same'], /^--trace is "\.\/same", the file of --pcapng too/u],
  [['--snap', '3'], /^--snap is "3", expected a whole number from 14/u],
  [['--protection', 'iommu'], /^--protection is "iommu", expected one of: none, /u],
  [
    ['--protection', 'none,cdna'],
    /^--protection is "none,cdna", expected one approach; compare runs several/u,
  ],
  [['--discipline', 'constructor:drr'], /^--discipline is "constructor:".*expected one of: fifo/u],
  [['--discipline', 'limited:rr'], /^--discipline is "rr".*expected one of: fifo/u],
  [['--trace-duration', 'long'], /^--trace-duration is "long"/u],
  [
    ['--out', '/dev/null/here'],
    /^--out is "\/dev\/null\/here", which is below "\/dev\/null", not a folder;/u,
  ],
  [['--out', '/dev/null'], /^--out is "\/dev\/null", which is not a folder; expected a folder$/mu],
  [['--pcapng', '/no/such/folder/x.pcapng'], /^\/no\/such\/folder\/x\.pcapng: cannot be written/u],
  [['--trace', '/dev/null'], /^\/dev\/null: cannot be written: it is there and not a regular file/u],
];

test.for(OPTIONS)('%j', async ([options, said]) => {
  const { code, out, err } = await invoke('run', '--duration', '1ms', ...options);
  expect(err).toMatch(said);
  expect([code, out]).toEqual([2, '']);
  expect(err.trimEnd().split('\n')).toHaveLength(1);
});

const FILE = scratch.path('bulk.pcap');
const FOLDER = scratch.path('folder');
mkdirSync(FOLDER);

/** A file where a folder is expected, or the other way round. */
const PLACES: [options: [string, string], said: string][] = [
  [['--out', FILE], 'which is a file; expected a folder'],
  [['--out', `${FILE}/`], 'which is a file; expected a folder'],
  [['--out', `${FILE}/sub/deep`], `which is below "${FILE}", a file; expected a folder`],
  [['--pcapng', FOLDER], 'which is a folder; expected a file'],
  [['--trace', FOLDER], 'which is a folder; expected a file'],
  [['--trace', scratch.path('new/')], 'which is a folder; expected a file'],
  [['--pcapng', `${FILE}/x.pcapng`], `which is below "${FILE}", a file; expected a file in a folder`],
];

test.for(PLACES)('%j', async ([[option, path], said]) => {
  const before = scratch.list();
  const answer = { code: 2, out: '', err: `${option} is "${path}", ${said}\n` };
  expect(await invoke('run', '--duration', '1ms', option, path)).toEqual(answer);
  expect(await invoke('compare', '--duration', '1ms', option, path)).toEqual(answer);
  expect(scratch.list()).toEqual(before);
});

test('a schema does not go into a folder', async () => {
  const { code, err } = await invoke('schema', '--out', FOLDER);
  expect([code, err]).toEqual([2, `--out is "${FOLDER}", which is a folder; expected a file\n`]);
});

test('what commander refuses is usage too', async () => {
  expect((await invoke('run', '--bogus')).code).toBe(2);
  expect((await invoke('walk')).code).toBe(2);
  expect((await invoke('run', 'one.json', 'two.json')).code).toBe(2);
  expect((await invoke('compare', '--protection', 'none,none')).err).toMatch(/names "none" twice/u);
});

test('a scenario that is no JSON, is not there, or exports nothing', async () => {
  writeFileSync(scratch.path('bad.json'), '{"guests": [');
  expect(await invoke('run', scratch.path('bad.json'))).toMatchObject({ code: 2, out: '' });
  expect((await invoke('run', scratch.path('bad.json'))).err).toMatch(/bad\.json: is not JSON/u);
  expect((await invoke('run', scratch.path('nowhere.ts'))).err).toMatch(/nowhere\.ts: .*no such file/u);
  expect((await invoke('run', 'captures')).err).toMatch(/^captures: is not a scenario by its name/u);
  expect((await invoke('run', scratch.path('nowhere.json'))).err).toMatch(/nowhere\.json: .*no such file/u);
});

test('a call that fails halfway leaves no file and no folder', async () => {
  const folder = scratch.path('made/for/nothing');
  const answer = await invoke(
    ...['run', '--duration', '1ms', '--out', folder, '--pcapng', scratch.path('gone.pcapng')],
    ...['--trace', '/no/such/folder/x.json'],
  );
  expect(answer.code).toBe(2);
  expect(existsSync(scratch.path('made'))).toBe(false);
  expect(scratch.list().filter((name) => name.includes('gone'))).toEqual([]);
});

test('help is no mistake', async () => {
  const { code, out } = await invoke('compare', '--help');
  expect(code).toBe(0);
  expect(out).toContain('--protection <names>');
  expect((await invoke('--help')).out).toContain('compare [options] [scenario]');
});
