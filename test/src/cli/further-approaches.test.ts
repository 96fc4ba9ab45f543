import { expect, test } from 'vitest';
import { APPROACHES, FURTHER_APPROACHES } from '../../../host/protection/approaches.js';
import { invoke } from './invoke.js';

const NAMES = FURTHER_APPROACHES.map(({ name }) => name);

test.each(['run', 'compare', 'attack'])(
  '%s --help names the approaches that run only by name',
  async (command) => {
    const { code, out } = await invoke(command, '--help');
    expect(code).toBe(0);
    for (const name of NAMES) expect(out).toContain(name);
  },
);

test('compare runs them where they are named, and repeats the command with their names', async () => {
  const names = ['none', ...NAMES].join(',');
  const { code, out } = await invoke('compare', '--protection', names, '--window', '500us', '--no-attacks');
  expect(code).toBe(0);
  for (const name of NAMES) expect(out).toMatch(new RegExp(`^${name} `, 'mu'));
  expect(out).toContain(`--protection ${names}`);
});

test('attack plays them where they are named and expects nothing of them; without names it leaves them out', async () => {
  const named = await invoke(
    'attack',
    '--attacks',
    'own-page-after-unmap',
    '--protection',
    NAMES.join(','),
    '--json',
  );
  expect(named.code).toBe(0);
  const cells = (JSON.parse(named.out) as { cells: { approach: string; verdict: string }[] }).cells;
  expect(cells.map(({ approach, verdict }) => [approach, verdict])).toEqual([
    // Until the bitmap wraps the caches remember the page.
    ['iommu:flush-on-wrap', 'succeeded'],
    ['iommu:swiotlb', 'blocked-at-access'],
  ]);
  const all = await invoke('attack', '--attacks', 'own-page-after-unmap', '--json');
  const played = (JSON.parse(all.out) as { cells: { approach: string }[] }).cells;
  expect(played.map(({ approach }) => approach)).toEqual(APPROACHES.map(({ name }) => name));
});
