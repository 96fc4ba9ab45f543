import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { scratchFolder } from '../report/scratch-folder.js';
import { invoke } from './invoke.js';
import { APPROACH, DISCIPLINE, renamedDrr } from './own-module-texts.js';

const scratch = scratchFolder();

mkdirSync(scratch.path('folder/below'), { recursive: true });
writeFileSync(scratch.path('folder/mine.ts'), DISCIPLINE);
writeFileSync(scratch.path('folder/below/mine.ts'), DISCIPLINE);
writeFileSync(scratch.path('folder/approach.ts'), APPROACH);
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
    ...[
      'compare',
      scenario({}),
      '--json',
      '--no-attacks',
      '--protection',
      `cdna,${scratch.path('folder/approach.ts')}`,
    ],
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

writeFileSync(scratch.path('folder/own-drr.ts'), renamedDrr('own-drr'));
writeFileSync(scratch.path('folder/false-drr.ts'), renamedDrr('drr'));
writeFileSync(scratch.path('folder/false-none.ts'), APPROACH.replaceAll("'mine'", "'none'"));

type Fairness = {
  repeat: string;
  workloads: { disciplines: { discipline: string; jainIndex: number; broken: number }[] }[];
};

test('fairness measures a discipline of one’s own beside the catalogue’s', async () => {
  const given = `drr,${scratch.path('folder/own-drr.ts')},${scratch.path('folder/mine.ts')}`;
  const { code, out, err } = await invoke(
    ...['fairness', '--json', '--disciplines', given, '--workloads', 'greedy', '--contexts', '3'],
    ...['--duration', '2ms'],
  );
  expect({ code, err }).toEqual({ code: 0, err: '' });
  const { workloads, repeat } = JSON.parse(out) as Fairness;
  expect(repeat).toContain('own-drr.ts');
  const rows = workloads[0]?.disciplines ?? [];
  expect(rows.map(({ discipline }) => discipline)).toEqual(['drr', 'own-drr', 'smallest-number']);
  // The same discipline under two names gives the same figures.
  expect({ ...rows[1], discipline: 'drr' }).toEqual(rows[0]);
  // The context with the smallest number takes all: far from fair.
  expect(rows[2]?.jainIndex).toBeLessThan(0.6);
});

test('attack plays against an approach of one’s own, of which the table expects nothing', async () => {
  const { code, out, err } = await invoke(
    ...['attack', '--json', '--attacks', 'foreign-page-read,foreign-doorbell'],
    ...['--protection', `cdna,${scratch.path('folder/approach.ts')}`],
  );
  expect({ code, err }).toEqual({ code: 0, err: '' });
  const { cells, expectations } = JSON.parse(out) as {
    cells: { attack: string; approach: string; verdict: string }[];
    expectations: { approach: string }[];
  };
  expect(cells.map(({ attack, approach, verdict }) => [attack, approach, verdict])).toEqual([
    ['foreign-page-read', 'cdna', 'blocked-at-set-up'],
    ['foreign-doorbell', 'cdna', 'blocked-at-set-up'],
    // It is plain DMA under another name.
    ['foreign-page-read', 'mine', 'succeeded'],
    ['foreign-doorbell', 'mine', 'blocked-at-set-up'],
  ]);
  expect(new Set(expectations.map(({ approach }) => approach))).toEqual(new Set(['cdna']));
});

test.for([
  ['fairness', '--disciplines', 'drr,', 'false-drr.ts', 'drr'],
  ['attack', '--protection', '', 'false-none.ts', 'none'],
  ['compare', '--protection', 'none,', 'false-none.ts', 'none'],
])(
  '%s refuses a module with a name of the catalogue',
  async ([command = '', option = '', before, file, name]) => {
    const { code, out, err } = await invoke(command, option, `${before}${scratch.path(`folder/${file}`)}`);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toMatch(
      new RegExp(`${option} is ".*${file}", which is named "${name}" like one of the catalogue`, 'u'),
    );
  },
);

test('attack refuses an approach with ports of a kind that it does not know', async () => {
  writeFileSync(
    scratch.path('folder/own-port.ts'),
    APPROACH.replace(
      'const made = plan.build(parts);',
      `
      const made = plan.build(parts);
      const open = made.openPort.bind(made);
      class OwnPort {
        constructor(inner: any) {
          for (const name of ['context', 'mac', 'transmit', 'receive']) (this as any)[name] = inner[name];
        }
        onInterrupt() {}
        maskInterrupts() {}
      }
      made.openPort = (...args: any[]) => new OwnPort(open(...args));`,
    ),
  );
  const { code, err } = await invoke('attack', '--protection', scratch.path('folder/own-port.ts'));
  expect({ code, err }).toMatchObject({ code: 2 });
  expect(err).toMatch(/the approach opens ports of the kind OwnPort, expected ContextPort or FrontEnd/u);
});

test.for([
  ['fairness', '--disciplines'],
  ['attack', '--protection'],
])('%s names its option when a module cannot be used', async ([command = '', option = '']) => {
  const { code, err } = await invoke(command, option, './no-such-file.mjs');
  expect(code).toBe(2);
  expect(err).toMatch(new RegExp(`${option} is "./no-such-file.mjs", which cannot be read`, 'u'));
});
