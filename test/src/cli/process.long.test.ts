import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { scratchFolder } from '../report/scratch-folder.js';
import { REPOSITORY, start } from './spawned.js';

const scratch = scratchFolder();

test.for(['SIGINT', 'SIGTERM'] as const)('%s in the middle of a run leaves nothing', async (signal) => {
  const folder = scratch.path(`out-${signal}`);
  mkdirSync(folder);
  const { child, ended } = start(['run', '--duration', '3600s', '--out', folder]);
  // A file that grows under another name: the run is on.
  while (readdirSync(folder).length === 0 && child.exitCode === null) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  child.kill(signal);
  const { code, out, err } = await ended;
  expect(err).toBe(`stopped by ${signal}; nothing was written\n`);
  expect([code, out]).toEqual([signal === 'SIGINT' ? 130 : 143, '']);
  expect(readdirSync(folder)).toEqual([]);
});

test('a comparison that is killed leaves partial files, and the next one clears them all', async () => {
  const folder = scratch.path('killed');
  mkdirSync(folder);
  const args = ['compare', '--protection', 'none,cdna', '--no-attacks', '--jobs', '2', '--out', folder];
  const { child, ended } = start([...args, '--duration', '3600s']);
  const partials = () => readdirSync(folder).filter((name) => name.endsWith('.partial'));
  // Capture and timeline of either run: threads write them.
  while (partials().length < 4 && child.exitCode === null) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  child.kill('SIGKILL');
  await ended;
  expect(partials().length).toBe(4);
  expect((await start([...args, '--duration', '1ms']).ended).code).toBe(0);
  const captures = ['cdna', 'none'].flatMap((name) => [`${name}.pcapng`, `${name}.pftrace`]);
  expect(readdirSync(folder).sort()).toEqual(
    [...captures, 'compare.html', 'compare.json', 'protection.html'].sort(),
  );
});

test('a reader that closes the pipe early is no reason to complain', async () => {
  const { child, ended } = start(['run', '--duration', '1ms', '--json']);
  child.stdout?.destroy();
  const { err } = await ended;
  expect(err).not.toContain('EPIPE');
  expect(err).not.toMatch(/\n\s+at /u);
});

test('a scenario in TypeScript that imports defineScenario from the package', async () => {
  const path = `${REPOSITORY}/examples/scenarios/imix-and-requests.ts`;
  const { code, out, err } = await start(['run', path, '--duration', '3ms']).ended;
  expect(err).toBe('');
  expect(code).toBe(0);
  expect(out).toContain('imix');
  expect(out).toContain('invariants   ');
});

test('paths in a scenario start where its file lies, wherever the program runs', async () => {
  mkdirSync(scratch.path('deep'));
  const scenario = { guests: [{ traffic: { kind: 'replay', capture: '../bulk.pcap' } }] };
  writeFileSync(scratch.path('deep/one-line.json'), JSON.stringify(scenario));
  writeFileSync(scratch.path('bulk.pcap'), readFileSync(`${REPOSITORY}/captures/bulk.pcap`));
  const { code, out } = await start([
    'run',
    scratch.path('deep/one-line.json'),
    '--json',
    '--duration',
    '15ms',
  ]).ended;
  expect(code).toBe(0);
  // The guest's side of the capture: every frame of it went out, tshark counts 542 from that station.
  const { runs } = JSON.parse(out) as { runs: { guests: { framesOffered: number }[] }[] };
  expect(runs[0]?.guests[0]?.framesOffered).toBe(BULK_FRAMES_OF_THE_GUEST);
});

/** `tshark -r captures/bulk.pcap -Y 'eth.src == 62:46:22:9e:59:cf' | wc -l` */
const BULK_FRAMES_OF_THE_GUEST = 542;
