import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { APPROACHES } from '../../../host/protection/approaches.js';
import { COMPOSITIONS, DISCIPLINES } from '../../../scheduler/disciplines/index.js';
import { some } from '../../support/whole.js';
import { scratchFolder } from '../report/scratch-folder.js';
import { invoke } from './invoke.js';

const scratch = scratchFolder();

/** Two guests whose traffic follows the seed. */
const RANDOM = scratch.path('random.json');
const poisson = { kind: 'poisson', wireRateBps: 400_000_000, frameBytes: 'imix' };
writeFileSync(RANDOM, JSON.stringify({ guests: [{ traffic: poisson }, { traffic: poisson, weight: 3 }] }));

const RECLAIM = 'scenarios/reclaim.json';

interface BalloonRun {
  readonly protection: string;
  readonly memory: {
    readonly balloon: Record<
      'asked' | 'reclaimed' | 'waiting' | 'refused' | 'lateReads' | 'lateWrites' | 'damagedPages',
      number
    > & { readonly reclaimNs: { readonly p50Ns: number; readonly p99Ns: number } | null };
  };
}

interface Document {
  readonly seed: number;
  readonly scenario: { readonly guests: unknown[] };
  readonly repeat: string;
  readonly runs: readonly {
    readonly protection: string;
    readonly discipline: string;
    readonly fingerprint: string;
    readonly framesTransmitted: number;
    readonly guests: readonly { readonly name: string; readonly framesTransmitted: number }[];
  }[];
}

test('without arguments: the bundled scenario under every approach, a row each in lines that fit', async () => {
  const { code, out, err } = await invoke('compare', '--no-attacks', '--duration', '500us');
  expect(err).toBe('');
  expect(code).toBe(0);
  const lines = out.split('\n');
  for (const { name } of APPROACHES) {
    expect(lines.filter((line) => line.startsWith(`${name} `))).toHaveLength(6);
  }
  const table = lines.filter((line) => !line.startsWith('again: '));
  expect(Math.max(...table.map((line) => line.length))).toBeLessThanOrEqual(100);
  expect(lines.at(-2)).toBe(
    'again: cdna-nic compare --protection all --discipline drr --seed 1 --warm-up 50us --window 500us --no-attacks',
  );
});

test('the last line writes the same files again', async () => {
  const folder = scratch.path('again');
  const capture = scratch.path('the capture.pcapng');
  const call = ['run', RANDOM, '--duration', '1ms', '--out', folder, '--pcapng', capture, '--snap', '64'];
  const { out } = await invoke(...call);
  const last = out.trimEnd().split('\n').at(-1) ?? '';
  expect(last).toMatch(
    /^again: cdna-nic run .* --window 1ms --out \S+\/again --pcapng '.*the capture.pcapng' --snap 64$/u,
  );
  const before = readFileSync(capture);
  const words = last.match(/'[^']*'|\S+/gu)?.map((word) => word.replaceAll("'", '')) ?? [];
  expect((await invoke(...words.slice(2))).out).toBe(out);
  expect(readFileSync(capture).equals(before)).toBe(true);
});

test('a scenario with a balloon has what it got, an approach a row, as the document says', async () => {
  const call = [
    'compare',
    '--no-attacks',
    RECLAIM,
    '--duration',
    '4ms',
    '--protection',
    'none,cdna,iommu:direct-map',
  ];
  const { code, out } = await invoke(...call);
  expect(code).toBe(0);
  const parts = out.split('\n\n');
  const section = parts[parts.findIndex((part) => part.startsWith('What the balloon got')) + 1];
  const rows = (section ?? '').split('\n').map((line) => line.trim().split(/ +/u));
  const { runs } = JSON.parse((await invoke(...call, '--json')).out) as { runs: BalloonRun[] };
  const us = (ns: number) => (ns < 10_000 ? (ns / 1000).toFixed(2) : `${Math.round(ns / 1000)}`);
  const expected = runs.map(({ protection, memory: { balloon } }) => [
    protection,
    ...[balloon.asked, balloon.reclaimed, balloon.waiting, balloon.refused].map(String),
    ...(balloon.reclaimNs === null ? ['-', '-'] : [us(balloon.reclaimNs.p50Ns), us(balloon.reclaimNs.p99Ns)]),
    ...[balloon.lateReads, balloon.lateWrites, balloon.damagedPages].map(String),
  ]);
  expect(rows.slice(2)).toEqual(expected);
  // Memory that a table maps for good is not given away; what nothing guards is, and a device writes into it.
  expect(
    expected.map(([name, , reclaimed, , , , , , writes]) => [name, reclaimed !== '0', writes !== '0']),
  ).toEqual([
    ['none', true, true],
    ['cdna', true, false],
    ['iommu:direct-map', false, false],
  ]);
  expect(
    (await invoke('compare', '--no-attacks', RANDOM, '--duration', '1ms', '--protection', 'none')).out,
  ).not.toContain('balloon');
});

test('a scenario with priority flow control has what it did, an approach a row; one without says nothing of it', async () => {
  const lossless = 'scenarios/lossless.json';
  const call = [
    'compare',
    '--no-attacks',
    '--protection',
    'none,cdna',
    '--warm-up',
    '9ms',
    '--duration',
    '2ms',
  ];
  const { code, out, err } = await invoke(...call, lossless);
  expect([code, err]).toEqual([0, '']);
  const parts = out.split('\n\n');
  const section = parts[parts.indexOf('What priority flow control did') + 1] ?? '';
  const rows = section.split('\n').map((line) => line.trim().split(/ +/u));
  const { runs } = JSON.parse((await invoke(...call, lossless, '--json')).out) as {
    runs: { protection: string; flowControl: Record<string, number>[] }[];
  };
  const us = (ns = 0) => Math.round(ns / 1000).toLocaleString('en-US');
  expect(rows.slice(-2)).toEqual(
    runs.map(({ protection, flowControl: [only = {}] }) => [
      protection,
      `${only.framesReceived}`,
      us(only.pausedNs),
      `${only.framesSent}`,
      us(only.farEndPausedNs),
      (only.mostReceiveBytes ?? 0).toLocaleString('en-US'),
    ]),
  );
  // The pause of the scenario begins at 10 ms, one of the two that are measured.
  expect(runs[0]?.flowControl[0]?.pausedNs).toBeGreaterThan(900_000);
  const plain = await invoke(...call, RANDOM);
  expect(plain.out).not.toContain('flow control');
});

test('--json is one document, and the same call gives the same bytes', async () => {
  const call = [
    'compare',
    '--no-attacks',
    RANDOM,
    '--json',
    '--duration',
    '5ms',
    '--protection',
    'none,cdna',
    '--seed',
    '9',
  ];
  const first = await invoke(...call);
  const second = await invoke(...call);
  expect(first.code).toBe(0);
  expect(second.out).toBe(first.out);
  const document = JSON.parse(first.out) as Document;
  expect(document.seed).toBe(9);
  expect(document.scenario.guests).toHaveLength(2);
  expect(document.runs.map(({ protection, discipline }) => [protection, discipline])).toEqual([
    ['none', 'drr'],
    ['cdna', 'drr'],
  ]);
  for (const run of document.runs) {
    expect(run.fingerprint).toMatch(/^[0-9a-f]{16}$/u);
    expect(run.framesTransmitted).toBeGreaterThan(100);
    expect(run.guests.reduce((sum, guest) => sum + guest.framesTransmitted, 0)).toBe(run.framesTransmitted);
  }
});

test('another seed is another run; an approach more does not change the others', async () => {
  const runs = async (...more: string[]) => {
    const { out } = await invoke('compare', '--no-attacks', RANDOM, '--json', '--duration', '5ms', ...more);
    return (JSON.parse(out) as Document).runs;
  };
  const [alone] = await runs('--protection', 'cdna', '--seed', '1');
  const [, beside] = await runs('--protection', 'none,cdna', '--seed', '1');
  const [other] = await runs('--protection', 'cdna', '--seed', '2');
  expect(beside?.fingerprint).toBe(alone?.fingerprint);
  expect(other?.fingerprint).not.toBe(alone?.fingerprint);
});

test('the line that repeats a run repeats it, also from a path with blanks', async () => {
  const path = scratch.path('two words.json');
  writeFileSync(path, readFileSync(RANDOM));
  const { out } = await invoke('run', path, '--duration', '1500us', '--seed', '3', '--json');
  const document = JSON.parse(out) as Document;
  const words = document.repeat.match(/'[^']*'|\S+/gu)?.map((word) => word.replaceAll("'", '')) ?? [];
  expect(words.slice(0, 3)).toEqual(['cdna-nic', 'run', path]);
  const again = await invoke(...words.slice(1), '--json');
  expect(again.out).toBe(out);
});

const single = DISCIPLINES.map(({ name }) => name);
const composed = COMPOSITIONS.map(({ form }) => form.replace('a', 'drr').replace('b', 'prr'));
test.for(some([...single, ...composed]))('--discipline %s runs', async (discipline) => {
  const { code, out } = await invoke(
    'run',
    RANDOM,
    '--discipline',
    discipline,
    '--duration',
    '1ms',
    '--json',
  );
  expect(code).toBe(0);
  expect((JSON.parse(out) as Document).runs.map((run) => run.discipline)).toEqual([discipline]);
});

test('files are named after the approaches, and there is nothing else', async () => {
  const folder = scratch.path('made/for/this');
  const { code, out } = await invoke(
    ...[
      'compare',
      '--no-attacks',
      RANDOM,
      '--duration',
      '1ms',
      '--protection',
      'none,iommu:single-use,cdna+iommu',
    ],
    ...['--out', folder, '--pcapng', scratch.path('all.pcapng'), '--trace', scratch.path('all.json')],
  );
  expect(code).toBe(0);
  for (const name of ['none', 'iommu-single-use', 'cdna-iommu']) {
    for (const file of [`made/for/this/${name}.pcapng`, `made/for/this/${name}.pftrace`]) {
      expect(existsSync(scratch.path(file)), file).toBe(true);
    }
    expect(scratch.list()).toContain(`all.${name}.pcapng`);
    expect(scratch.list()).toContain(`all.${name}.json`);
  }
  expect(scratch.list().filter((name) => name.includes('partial'))).toEqual([]);
  expect(out).toContain(`wrote report (JSON): ${folder}/compare.json`);
  const { runs } = JSON.parse(readFileSync(`${folder}/compare.json`, 'utf8')) as Document;
  expect(runs).toHaveLength(3);
});

test('a single approach keeps the name that was given', async () => {
  const path = scratch.path('just-this.pcapng');
  await invoke('run', RANDOM, '--duration', '1ms', '--pcapng', path);
  expect(existsSync(path)).toBe(true);
});

test('progress is for terminals', async () => {
  const { runCli } = await import('../../../src/cli/program.js');
  let err = '';
  const io = {
    out: () => {},
    err: (text: string) => {
      err += text;
    },
    columns: 40,
    program: 'cdna-nic',
  };
  await runCli(['run', RANDOM, '--duration', '1ms'], { ...io, errIsTerminal: false });
  expect(err).toBe('');
  await runCli(['run', RANDOM, '--duration', '1ms'], { ...io, errIsTerminal: true });
  expect(err).toContain('cdna 100 %');
  expect(err.endsWith('\r\u001b[K')).toBe(true);
});
