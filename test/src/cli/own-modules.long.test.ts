import { writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { scratchFolder } from '../report/scratch-folder.js';
import { invoke } from './invoke.js';
import { APPROACH, DISCIPLINE, renamedDrr } from './own-module-texts.js';

const scratch = scratchFolder();
writeFileSync(scratch.path('smallest.ts'), DISCIPLINE);
writeFileSync(scratch.path('own-drr.ts'), renamedDrr('own-drr'));
writeFileSync(scratch.path('approach.ts'), APPROACH);

test('fairness prints the same of disciplines of one’s own in one thread and in two', async () => {
  const given = `drr,${scratch.path('own-drr.ts')},${scratch.path('smallest.ts')}`;
  const printed = async (jobs: string) => {
    const { code, out, err } = await invoke(
      ...['fairness', '--json', '--disciplines', given, '--workloads', 'greedy', '--contexts', '3'],
      ...['--duration', '2ms', '--jobs', jobs],
    );
    expect({ code, err }).toEqual({ code: 0, err: '' });
    const { hostDependent: _cost, ...document } = JSON.parse(out) as Record<string, unknown>;
    return document;
  };
  expect(await printed('2')).toEqual(await printed('1'));
});

test.for([['1'], ['2']])(
  'compare says what an approach of one’s own lets through, in %s threads',
  async ([jobs = '']) => {
    const guests = [1, 2].map((weight) => ({ weight, traffic: { kind: 'greedy' } }));
    writeFileSync(scratch.path('scenario.json'), JSON.stringify({ guests, durationNs: 1_000_000 }));
    const { code, out } = await invoke(
      ...['compare', scratch.path('scenario.json'), '--json', '--jobs', jobs],
      ...['--protection', `none,${scratch.path('approach.ts')}`],
    );
    expect(code).toBe(0);
    const { attacks } = JSON.parse(out) as { attacks: { approach: string; through: number }[] };
    const [none, mine] = attacks;
    // It is plain DMA under another name.
    expect(mine).toEqual({ ...none, approach: 'mine' });
    expect(mine?.through).toBeGreaterThan(0);
  },
);

test.for([
  ['fairness', '--disciplines', ['--workloads', 'greedy,mixed', '--contexts', '3', '--duration', '2ms']],
  ['compare', '--discipline', ['--protection', 'none,cdna', '--no-attacks']],
] as const)(
  'what a discipline of one’s own throws in a thread of %s is one line',
  async ([command, option, words]) => {
    const path = scratch.path('throws.mjs');
    writeFileSync(
      path,
      `export default () => ({
  name: 'throws', join() {}, leave() {}, select: () => -1, served() {}, withdraw() {}, checkInvariants() {},
  relativeFairnessBoundBytes: () => Infinity,
  activate() { throw new Error('boom'); },
});
`,
    );
    const { code, out, err } = await invoke(command, option, path, ...words, '--jobs', '2');
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toBe(`${option} is ${JSON.stringify(path)}, whose activate throws: boom (throws.mjs:4)\n`);
  },
);
