import { writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { portLines, portText } from '../../../src/report/port-text.js';
import { checkScenario } from '../../../src/scenario/load.js';
import { invoke } from '../cli/invoke.js';
import { scratchFolder } from './scratch-folder.js';

const scratch = scratchFolder();
const GUESTS = [{ name: 'a', traffic: { kind: 'greedy' } }];
/** Not in the order of time. */
const CHANGES = [
  { atNs: 10_000_000, rateBps: 2_000_000_000 },
  { atNs: 5_000_000, rateBps: 100_000_000 },
];
const LINE = 'port 1 Gb/s, 0.1 Gb/s from 5 ms on, 2 Gb/s from 10 ms on';

it('the rates of the wire are said where they change, in order of time, and only there', () => {
  expect(portLines(checkScenario({ guests: GUESTS, changes: CHANGES }))).toEqual([LINE]);
  expect(portLines(checkScenario({ guests: GUESTS, nic: { rateBps: 2_000_000_000 } }))).toEqual([]);
  const weight = { atNs: 1, guest: 'a', weight: 2 };
  expect(portLines(checkScenario({ guests: GUESTS, changes: [weight] }))).toEqual([]);
});

it('a line of a terminal names three changes and counts the others, a page names six', () => {
  const changes = [1, 2, 3, 4, 5, 6, 7].map((ms) => ({
    atNs: ms * 1_000_000,
    rateBps: ms * 100_000_000_000,
  }));
  const scenario = checkScenario({ guests: GUESTS, changes });
  const [line = ''] = portLines(scenario);
  expect(line).toMatch(/^port 1 Gb\/s, 100 Gb\/s from 1 ms on, .*300 Gb\/s from 3 ms on, and 4 more$/u);
  expect(line.length).toBeLessThanOrEqual(100);
  expect(portText(scenario)).toMatch(/, 600 Gb\/s from 6 ms on, and 1 more$/u);
});

it.each([
  ['run', []],
  ['compare', ['--protection', 'none,cdna']],
  ['compare', ['--protection', 'none', '--seeds', '2']],
])('%s %j says them below its first line', async (command, options) => {
  const path = scratch.path('rates.json');
  const write = (changes: object) =>
    writeFileSync(path, JSON.stringify({ guests: GUESTS, durationNs: 300_000, ...changes }));
  write({ changes: CHANGES });
  const changing = (await invoke(command, path, ...options)).out.split('\n');
  expect(changing[1]).toBe(LINE);
  write({});
  const steady = (await invoke(command, path, ...options)).out.split('\n');
  expect(steady[0]).toBe(changing[0]);
  expect(steady.some((line) => line.startsWith('port '))).toBe(false);
});
