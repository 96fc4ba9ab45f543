import { mkdirSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { UserError } from '../../scheduler/errors.js';
import { simulate } from '../../src/simulate.js';
import { scratchFolder } from './report/scratch-folder.js';

const scratch = scratchFolder();
const MODULE = `
export default () => {
  const waiting = new Set();
  return {
    name: 'one-of-ones-own', join() {}, leave(c) { waiting.delete(c); }, activate(c) { waiting.add(c); },
    select: () => (waiting.size === 0 ? -1 : Math.min(...waiting)),
    served(c, _bytes, next) { if (next === 0) waiting.delete(c); },
    withdraw(c) { waiting.delete(c); }, relativeFairnessBoundBytes: () => Infinity, checkInvariants() {},
  };
};
`;
mkdirSync(scratch.path('folder'));
writeFileSync(scratch.path('folder/mine.mjs'), MODULE);
const directory = scratch.path('folder');
const scenario = {
  guests: [{ traffic: { kind: 'greedy' as const } }],
  discipline: './mine.mjs',
  durationNs: 500_000,
};

test('a module that a scenario names is run with allowModules alone', async () => {
  const refused = simulate(scenario, { directory });
  await expect(refused).rejects.toThrow(UserError);
  await expect(refused).rejects.toThrow(
    /scenario: discipline is "\.\/mine\.mjs", a module; expected a name/u,
  );
  expect((await simulate(scenario, { directory, allowModules: true })).discipline).toBe('one-of-ones-own');
});

test('one that the caller names is run as given', async () => {
  const plain = { ...scenario, discipline: 'drr' };
  const { discipline } = await simulate(plain, { discipline: scratch.path('folder/mine.mjs') });
  expect(discipline).toBe('one-of-ones-own');
});
