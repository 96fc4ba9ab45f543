import { writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { expect, test } from 'vitest';
import { UserError } from '../../../scheduler/errors.js';
import { simulate } from '../../../src/simulate.js';
import { scratchFolder } from '../report/scratch-folder.js';
import { type Answer, invoke } from './invoke.js';
import { renamedDrr } from './own-module-texts.js';

const scratch = scratchFolder();
const APPROACHES = JSON.stringify(new URL('../../../host/protection/approaches.ts', import.meta.url).href);
const IOMMU = JSON.stringify(new URL('../../../host/protection/iommu/iommu.ts', import.meta.url).href);

const guests = [1, 2].map((weight) => ({ weight, traffic: { kind: 'greedy' as const } }));
const SCENARIO = scratch.path('scenario.json');
writeFileSync(SCENARIO, JSON.stringify({ guests, durationNs: 1_000_000 }));

let made = 0;

/** A discipline that works, but for the methods that are given; each on a line of its own. */
function module(name: string, methods: Readonly<Record<string, string>>): string {
  const all = {
    join: '{}',
    leave: '{}',
    activate: '{ this.waiting.add(context); }',
    select: '{ return this.waiting.size === 0 ? -1 : Math.min(...this.waiting); }',
    served: '{ if (next === 0) this.waiting.delete(context); }',
    withdraw: '{ this.waiting.delete(context); }',
    relativeFairnessBoundBytes: '{ return Infinity; }',
    checkInvariants: '{}',
    ...methods,
  };
  const lines = Object.entries(all).map(([key, body]) => `  ${key}(context, _bytes, next) ${body}`);
  // A module is loaded once in a process: each text is a file of its own.
  const path = scratch.path(`${made++}-${name}`);
  writeFileSync(
    path,
    ['class Mine {', "  name = 'mine-alone';", '  waiting = new Set();', ...lines, '}']
      .join('\n')
      .concat('\nexport default () => new Mine();\n'),
  );
  return path;
}

function refusal({ code, out, err }: Answer): string {
  expect({ code, out }).toEqual({ code: 2, out: '' });
  expect(err).not.toContain('this should not happen');
  expect(err).not.toContain('data:');
  expect(err.trimEnd().split('\n')).toHaveLength(1);
  expect(err.length).toBeLessThan(600);
  return err;
}

const FAULTS: readonly [what: string, methods: Readonly<Record<string, string>>, said: RegExp][] = [
  ['activate throws', { activate: '{ throw new Error("boom"); }' }, /whose activate throws: boom/u],
  ['served throws no Error', { served: '{ throw "tired"; }' }, /whose served throws: tired/u],
  ['join throws two lines', { join: '{ throw new Error("one\\ntwo"); }' }, /whose join throws: one( |$)/mu],
  [
    'select answers a context that takes no part',
    { select: '{ return 99; }' },
    /whose select answers 99, which is not ready; expected one of the ready contexts \d/u,
  ],
  [
    'select answers no number',
    { select: '{ return undefined; }' },
    /whose select answers undefined, which is not ready/u,
  ],
  [
    'select answers NONE always',
    { select: '{ return -1; }' },
    /whose select answers NONE while contexts are ready; expected one of the ready contexts [\d, ]+, or a method nextEligibleNs/u,
  ],
  [
    'a promised time is none',
    { select: '{ return -1; }', nextEligibleNs: '{ return NaN; }' },
    /whose nextEligibleNs answers NaN; expected a time in ns, or Infinity/u,
  ],
  [
    'a bound is none',
    { relativeFairnessBoundBytes: '{ return NaN; }' },
    /whose relativeFairnessBoundBytes answers NaN; expected a number of bytes/u,
  ],
];

test.for(FAULTS)('run tells of a discipline of one’s own whose %s', async ([, methods, said]) => {
  const path = module('faulty.mjs', methods);
  const err = refusal(await invoke('run', SCENARIO, '--protection', 'none', '--discipline', path));
  expect(err).toContain(`--discipline is ${JSON.stringify(path)}, whose `);
  expect(err).toMatch(said);
});

test.for(FAULTS)('so does fairness of one whose %s', async ([, methods, said]) => {
  const path = module('faulty.mjs', methods);
  const words = ['--workloads', 'greedy', '--contexts', '3', '--duration', '1ms'];
  const err = refusal(await invoke('fairness', '--disciplines', path, ...words));
  expect(err).toContain(`--disciplines is ${JSON.stringify(path)}, whose `);
  expect(err).toMatch(said);
});

test.for([['here.mjs'], ['here.mts'], ['here.cts']])(
  '%s: the line in the module is told where the stack has it, and never a URL that holds its text',
  async ([file = '']) => {
    const path = module(file, { activate: '{ throw new Error("boom"); }' });
    const err = refusal(await invoke('run', SCENARIO, '--discipline', path));
    // Here TypeScript has no source map. The line is that of `activate` in what `module` writes.
    const place = file.endsWith('.mjs') ? ` (${basename(path)}:6)` : '';
    expect(err).toBe(`--discipline is ${JSON.stringify(path)}, whose activate throws: boom${place}\n`);
  },
);

test('the library says the same, as a UserError', async () => {
  const discipline = module('faulty.mjs', { select: '{ return 99; }' });
  const run = simulate({ guests, durationNs: 500_000 }, { discipline });
  await expect(run).rejects.toThrow(UserError);
  await expect(run).rejects.toThrow(/^simulate: discipline is ".*", whose select answers 99/u);
});

const OWN_STRATEGY = `
import { Iommu } from ${IOMMU};
export default () => new Iommu({ strategy: { name: 'mine', hypervisorRings: false, make: () => ({}) } });
`;
const BROKEN_BUILD = `
export default () => ({ name: 'mine', build: () => { throw new Error('no bricks'); } });
`;
const NOTHING_BUILT = `
export default () => ({ name: 'mine', build: () => ({}) });
`;
test.for([
  [
    'a strategy without its methods',
    OWN_STRATEGY,
    /strategy "mine" makes something without transmit, receive, opened, closed, relinquish, counters; expected every part of MappingStrategy/u,
  ],
  ['a plan that cannot be built', BROKEN_BUILD, /no bricks/u],
  ['a plan that builds nothing', NOTHING_BUILT, /: ./u],
] as const)('%s is told as the module’s, in a run and under attack', async ([, text, said]) => {
  const path = scratch.path('approach.mts');
  writeFileSync(path, text);
  for (const command of [
    ['run', SCENARIO],
    ['compare', SCENARIO, '--no-attacks'],
    ['attack', '--attacks', 'foreign-page-read'],
  ]) {
    const err = refusal(await invoke(...command, '--protection', path));
    expect(err).toContain(`--protection is ${JSON.stringify(path)}, under which the machine fails: `);
    expect(err).toMatch(said);
  }
});

test('a syntax error is told with its line', async () => {
  const path = scratch.path('syntax.mts');
  writeFileSync(path, 'const a = 1;\nexport default ( => {\n');
  const err = refusal(await invoke('run', SCENARIO, '--discipline', path));
  expect(err).toMatch(/which cannot be loaded \(.*"=>".* \(syntax\.mts:2\)\)\n$/u);
});

writeFileSync(scratch.path('drr.ts'), renamedDrr('drr'));
writeFileSync(scratch.path('limited.ts'), renamedDrr('limited:drr'));
writeFileSync(
  scratch.path('iommu.ts'),
  `import { makeProtection } from ${APPROACHES};\nexport default (options: object) => makeProtection('iommu:deferred', options);\n`,
);
test.for([
  ['run', '--discipline', 'drr.ts', 'drr'],
  ['run', '--discipline', 'limited.ts', 'limited:drr'],
  ['compare', '--discipline', 'drr.ts', 'drr'],
  ['fairness', '--disciplines', 'limited.ts', 'limited:drr'],
  ['run', '--protection', 'iommu.ts', 'iommu:deferred'],
  ['compare', '--protection', 'iommu.ts', 'iommu:deferred'],
  ['attack', '--protection', 'iommu.ts', 'iommu:deferred'],
])(
  '%s %s refuses %s, which has the name of one of the catalogue',
  async ([command = '', option = '', file = '', name]) => {
    const path = scratch.path(file);
    const err = refusal(await invoke(command, option, path));
    expect(err).toBe(
      `${option} is ${JSON.stringify(path)}, which is named "${name}" like one of the catalogue; expected a name of its own\n`,
    );
  },
);

/** An approach that builds one of the catalogue under a name of its own. */
const builtOfAnother = (name: string) => `
import { makeProtection } from ${APPROACHES};
export default (options: object) => {
  const plan: any = makeProtection('none', options);
  return { name: '${name}', build: (parts: any) => plan.build(parts) };
};
`;

test('what is built of another approach keeps the name that it was asked for by, in runs and attacks', async () => {
  const path = scratch.path('outer.ts');
  writeFileSync(path, builtOfAnother('outer-name'));
  const compared = await invoke(
    'compare',
    SCENARIO,
    '--json',
    '--no-attacks',
    '--protection',
    `none,${path}`,
  );
  const { runs } = JSON.parse(compared.out) as { runs: { protection: string }[] };
  expect(runs.map(({ protection }) => protection)).toEqual(['none', 'outer-name']);
  const attacked = await invoke('attack', '--json', '--attacks', 'foreign-doorbell', '--protection', path);
  const { cells } = JSON.parse(attacked.out) as { cells: { approach: string }[] };
  expect(cells.map(({ approach }) => approach)).toEqual(['outer-name']);
});

test.for([['compare'], ['attack']])('%s refuses two of one name', async ([command = '']) => {
  const [one, two] = [scratch.path('twin-a.ts'), scratch.path('twin-b.ts')];
  for (const path of [one, two]) writeFileSync(path, builtOfAnother('twin'));
  const err = refusal(await invoke(command, '--protection', `${one},${two}`));
  expect(err).toBe(
    `--protection is ${JSON.stringify(two)}, which is named "twin" like another one; expected a name of its own\n`,
  );
});
