import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { scratchFolder } from '../report/scratch-folder.js';
import { invoke } from './invoke.js';

const scratch = scratchFolder();

/** One frame per visit, in the order of context numbers: enough of a discipline to be run. */
const DISCIPLINE = `
class Smallest {
  name = 'smallest-number';
  waiting = new Set<number>();
  join() {}
  leave(context: number) { this.waiting.delete(context); }
  activate(context: number) { this.waiting.add(context); }
  select(): number { return this.waiting.size === 0 ? -1 : Math.min(...this.waiting); }
  served(context: number, _bytes: number, next: number) { if (next === 0) this.waiting.delete(context); }
  withdraw(context: number) { this.waiting.delete(context); }
  relativeFairnessBoundBytes() { return Infinity; }
  checkInvariants() {}
}
export default () => new Smallest();
`;
/** Plain DMA under another name: what is loaded is told by what it is called. */
const approach = `
import { makeProtection } from ${JSON.stringify(new URL('../../../host/protection/approaches.ts', import.meta.url).href)};
export default (options: object) => ({ ...wrap(makeProtection('none', options)) });
function wrap(plan: any) {
  return { name: 'mine', build: (parts: any) => { const made = plan.build(parts); Object.defineProperty(made, 'name', { value: 'mine' }); return made; } };
}
`;

mkdirSync(scratch.path('folder/below'), { recursive: true });
writeFileSync(scratch.path('folder/mine.ts'), DISCIPLINE);
writeFileSync(scratch.path('folder/below/mine.ts'), DISCIPLINE);
writeFileSync(scratch.path('folder/approach.ts'), approach);
writeFileSync(scratch.path('outside.ts'), DISCIPLINE);
symlinkSync(scratch.path('outside.ts'), scratch.path('folder/link.ts'));
symlinkSync(scratch.path(''), scratch.path('folder/up'));

function scenario(fields: object): string {
  const path = scratch.path('folder/scenario.json');
  const guests = [1, 2].map((weight) => ({ weight, traffic: { kind: 'greedy' } }));
  writeFileSync(path, JSON.stringify({ guests, durationNs: 1_000_000, ...fields }));
  return path;
}

type Document = {
  repeat: string;
  runs: { discipline: string; protection: string; guests: { framesTransmitted: number }[] }[];
};

async function run(...args: string[]): Promise<Document> {
  const { code, out, err } = await invoke('run', ...args, '--json');
  if (code !== 0) throw new Error(err);
  return JSON.parse(out) as Document;
}

test('a discipline on the command line is loaded as given, and runs', async () => {
  const { runs } = await run(
    scenario({}),
    '--protection',
    'none',
    '--discipline',
    scratch.path('folder/mine.ts'),
  );
  expect(runs[0]?.discipline).toBe('smallest-number');
  const [first, second] = runs[0]?.guests.map(({ framesTransmitted }) => framesTransmitted) ?? [];
  // The smaller number first, always: the second has what the first leaves.
  expect(first).toBeGreaterThan(3 * (second ?? 0));
});

test('so is an approach, beside one of the catalogue', async () => {
  const { code, out } = await invoke(
    ...['compare', scenario({}), '--json', '--protection', `cdna,${scratch.path('folder/approach.ts')}`],
  );
  expect(code).toBe(0);
  expect((JSON.parse(out) as Document).runs.map(({ protection }) => protection)).toEqual(['cdna', 'mine']);
});

test('in a scenario it is refused by name without --allow-modules, and loaded with it', async () => {
  const path = scenario({ discipline: './mine.ts' });
  const refused = await invoke('run', path);
  expect(refused).toMatchObject({ code: 2, out: '' });
  expect(refused.err).toMatch(
    /scenario\.json: discipline is "\.\/mine\.ts", a module; expected a name, or --allow-modules/u,
  );
  const { runs, repeat } = await run(path, '--allow-modules');
  expect(runs[0]?.discipline).toBe('smallest-number');
  expect(repeat).toContain('--allow-modules');
  expect((await run(scenario({ discipline: './below/mine.ts' }), '--allow-modules')).runs).toHaveLength(1);
});

test('an option of the command line goes before the module of a scenario, which is then not loaded', async () => {
  const { runs } = await run(scenario({ discipline: './mine.ts' }), '--discipline', 'drr');
  expect(runs[0]?.discipline).toBe('drr');
});

test.for([['../outside.ts'], ['./link.ts'], ['./up/outside.ts'], [scratch.path('outside.ts')]])(
  'a module outside of the folder of the scenario is refused, links and all: %s',
  async ([discipline = '']) => {
    const { code, err } = await invoke('run', scenario({ discipline }), '--allow-modules');
    expect(code).toBe(2);
    expect(err).toMatch(/which is outside of the scenario's folder; expected a module in it\n$/u);
  },
);

test.for([
  ['./none.ts', '', /which cannot be read \(no such file\)/u],
  ['./text.txt', '1', /expected a file that ends in one of \.ts/u],
  [
    './number.mjs',
    'export default 3;',
    /whose default export is number; expected a function that makes a discipline/u,
  ],
  [
    './throws.mjs',
    'export default () => { throw new Error("not today"); };',
    /whose function throws: not today/u,
  ],
  [
    './half.mjs',
    'export default () => ({ name: "x", join() {} });',
    /no object with leave, activate, select/u,
  ],
  ['./broken.mjs', 'export default {', /which cannot be loaded \(/u],
] as const)('%s is refused in one line', async ([name, text, said]) => {
  if (text !== '') writeFileSync(scratch.path(`folder/${name}`), text);
  const { code, err } = await invoke('run', scenario({ discipline: name }), '--allow-modules');
  expect(code).toBe(2);
  expect(err).toMatch(said);
  expect(err.trimEnd().split('\n')).toHaveLength(1);
});
