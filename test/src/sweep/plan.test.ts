import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Journal } from '../../../src/sweep/journal.js';
import { checkStudy, studyOf } from '../../../src/sweep/load-study.js';
import { Plan } from '../../../src/sweep/plan.js';
import type { StudyInput } from '../../../src/sweep/study-schema.js';
import { tablesOf } from '../../../src/sweep/tables.js';
import { emptyFolder, planOf, SCENARIO, STUDY } from './study-lab.js';

const varied = (vary: StudyInput['vary'], more: Partial<StudyInput> = {}) =>
  planOf({ scenario: SCENARIO, vary, ...more });
const points = async (vary: StudyInput['vary'], more: Partial<StudyInput> = {}) =>
  (await varied(vary, more)).points.map(({ values }) => values);

describe('the points of a study', () => {
  test('are every combination, the last variable fastest', async () => {
    expect(await points(STUDY.vary)).toEqual([
      ['none', 1e8],
      ['none', 5e8],
      ['cdna', 1e8],
      ['cdna', 5e8],
      ['iommu:deferred', 1e8],
      ['iommu:deferred', 5e8],
    ]);
  });

  test('of a study without variables are one', async () => {
    expect(await points([])).toEqual([[]]);
  });

  test('of a zip change together, and a product is inside a zip or beside it', async () => {
    expect(
      await points([
        {
          zip: [
            { path: 'guests[0].weight', values: [1, 2] },
            { path: 'guests[1].weight', values: [8, 9] },
          ],
        },
        { path: 'discipline', values: ['drr', 'sfq'] },
      ]),
    ).toEqual([
      [1, 8, 'drr'],
      [1, 8, 'sfq'],
      [2, 9, 'drr'],
      [2, 9, 'sfq'],
    ]);
  });

  test('of a range include both ends, though the step is no binary fraction', async () => {
    expect(
      (await points([{ path: 'guests[0].weight', from: 1, to: 4, step: 1 }])).map(([value]) => value),
    ).toEqual([1, 2, 3, 4]);
    const [first, , third, last] = (
      await points([{ path: 'host.hertz', from: 1e9, to: 1.3e9, step: 1e8 }])
    ).flat();
    expect([first, third, last]).toEqual([1e9, 1.2e9, 1.3e9]);
  });

  test('of a logarithmic range lie at equal factors', async () => {
    const rates = await points([{ path: 'nic.rateBps', from: 1e9, to: 1e11, points: 3, scale: 'log' }]);
    expect(rates).toEqual([[1e9], [1e10], [1e11]]);
  });

  test('that an entry of except matches are left out', async () => {
    expect(
      await points(STUDY.vary, { except: [{ protection: ['none', 'cdna'], load: { above: 2e8 } }] }),
    ).toEqual([
      ['none', 1e8],
      ['cdna', 1e8],
      ['iommu:deferred', 1e8],
      ['iommu:deferred', 5e8],
    ]);
  });

  test('have the value in the scenario that is run, at every path of the variable', async () => {
    const { points: all } = await varied([{ path: ['guests[a].weight', 'guests[b].weight'], values: [7] }]);
    expect(all[0]?.scenario.guests.map(({ weight }) => weight)).toEqual([7, 7]);
  });

  test('keep the order of a shuffled list of values', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.integer({ min: 1, max: 60_000 }), { minLength: 1, maxLength: 9 }),
        async (weights) => {
          expect((await points([{ path: 'guests[0].weight', values: weights }])).flat()).toEqual(weights);
        },
      ),
      { numRuns: 20 },
    );
  });
});

describe('the key of a run', () => {
  const keys = async (study: StudyInput) => [...(await planOf(study)).runs()].map(({ key }) => key);

  test('is another for each run, and the same when the study is read again', async () => {
    const all = await keys(STUDY);
    expect(new Set(all).size).toBe(12);
    expect(await keys(STUDY)).toEqual(all);
  });

  test('does not depend on names, on the order of fields, or on defaults that are written out', async () => {
    const same: StudyInput = {
      ...STUDY,
      name: 'another name',
      scenario: {
        name: 'whatever',
        discipline: 'drr',
        guests: [
          { traffic: { wireRateBps: 300_000_000, kind: 'poisson' }, weight: 1, name: 'a' },
          { name: 'b', traffic: { kind: 'greedy', frameBytes: 1514 } },
        ],
      },
    };
    expect(await keys(same)).toEqual(await keys(STUDY));
  });

  test('stays when the study grows around it', async () => {
    const more: StudyInput = {
      ...STUDY,
      seeds: 5,
      vary: [...(STUDY.vary ?? []), { path: 'discipline', values: ['drr', 'wfq'] }],
    };
    expect(await keys(more)).toEqual(expect.arrayContaining(await keys(STUDY)));
  });

  test.each<[string, Partial<StudyInput>]>([
    ['the window', { windowNs: 300_000 }],
    ['the warm-up', { warmUpNs: 0 }],
    ['the scenario', { scenario: { ...SCENARIO, nic: { rateBps: 2e9 } } }],
  ])('changes with %s', async (_what, change) => {
    const before = new Set(await keys(STUDY));
    expect((await keys({ ...STUDY, ...change })).some((key) => before.has(key))).toBe(false);
  });
});

describe('the key of a run with files', () => {
  test('changes with the content of a capture or of a module, and not with its path', async () => {
    const folder = emptyFolder();
    const [keyA, keyB] = await Promise.all(
      ['a', 'b'].map(async (name) => {
        mkdirSync(join(folder, name));
        writeFileSync(join(folder, name, 'talk.pcap'), 'the same');
        writeFileSync(join(folder, name, 'own.mjs'), 'export default 1;');
        return keyIn(join(folder, name));
      }),
    );
    expect(keyA).toBe(keyB);
    writeFileSync(join(folder, 'a/talk.pcap'), 'another');
    const changed = await keyIn(join(folder, 'a'));
    expect(changed).not.toBe(keyA);
    writeFileSync(join(folder, 'a/own.mjs'), 'export default 2;');
    expect(new Set([keyA, changed, await keyIn(join(folder, 'a'))]).size).toBe(3);
  });

  async function keyIn(folder: string): Promise<string> {
    const study = checkStudy({
      scenario: {
        discipline: './own.mjs',
        guests: [{ traffic: { kind: 'replay', capture: 'talk.pcap' } }],
      },
    });
    const [run] = (await Plan.of(studyOf(study, study.scenario, folder, 'study'))).runs();
    return run?.key ?? '';
  }
});

describe('the name of a variable', () => {
  test('is made of its path as docs/sweeps.md says, and paths of the IOMMU and of counts are varied', async () => {
    const { variables } = await varied([
      { path: 'guests[0].weight', values: [1] },
      { path: ['guests[1].count', 'guests[0].count'], values: [2] },
      { path: 'iommu.iotlbEntries', values: [8, 64] },
    ]);
    expect(variables.map(({ column }) => column)).toEqual([
      'guests_0_weight',
      'guests_1_count',
      'iommu_iotlbEntries',
    ]);
  });

  test('is refused when a table has a column of that name, in any case', async () => {
    const plan = await varied([], { attacks: ['foreign-page-read'] });
    const journal = Journal.open(join(emptyFolder(), 'journal.ndjson'));
    onTestFinished(() => journal.close());
    const names = tablesOf(plan, plan.seedCounts, journal).flatMap(({ columns }) =>
      columns.map(({ name }) => name),
    );
    // A sample of each table, so that an empty list cannot pass.
    expect(names).toEqual(
      expect.arrayContaining([
        'point',
        'seed',
        'windowNs',
        'approach',
        'key',
        'goodputBps',
        'guest',
        'verdict',
      ]),
    );
    for (const name of [...new Set(names)].flatMap((one) => [one, one.toUpperCase()])) {
      await expect(varied([{ path: 'nic.rateBps', name, values: [1e9] }]), name).rejects.toThrow(
        `vary names the column "${name}" of nic.rateBps, which the tables have already`,
      );
    }
  });

  test('may repeat in no two variables, whether given or made of a path', async () => {
    await expect(
      varied([
        { path: 'guests[0].weight', values: [1] },
        { path: 'guests[1].weight', name: 'Guests_0_weight', values: [1] },
      ]),
    ).rejects.toThrow('vary names the column "Guests_0_weight" twice');
  });
});

describe('a zip', () => {
  test('may repeat a value of one of its variables', async () => {
    expect(
      await points([
        {
          zip: [
            { path: 'guests[0].weight', values: [1, 1, 2] },
            { path: 'guests[1].weight', values: [1, 2, 2] },
          ],
        },
      ]),
    ).toEqual([
      [1, 1],
      [1, 2],
      [2, 2],
    ]);
  });
});

describe('seeds', () => {
  test('of a number are those that docs/sweeps.md names', async () => {
    const doc = readFileSync(new URL('../../../docs/sweeps.md', import.meta.url), 'utf8');
    const [one, two, three, four, five] = (await varied([], { seeds: 5 })).seeds;
    expect(doc).toContain(
      `stands for ${one}, ${two} and ${three}, and \`5\` for these and ${four} and ${five}`,
    );
  });

  test('of a larger number begin with those of a smaller one', async () => {
    const few = (await varied([], { seeds: 3 })).seeds;
    expect((await varied([], { seeds: 9 })).seeds.slice(0, 3)).toEqual(few);
  });

  test('that go on past the list are new ones', async () => {
    const plan = await varied([], { seeds: [5, 379648363] });
    const [point] = plan.points;
    if (point === undefined) throw new Error('no point');
    const all = [0, 1, 2, 3, 4].map((at) => plan.run(point, at).seed);
    expect(all.slice(0, 2)).toEqual([5, 379648363]);
    expect(new Set(all).size).toBe(5);
  });
});

describe('a study that cannot be run is refused in one line that says what was expected', () => {
  test.each<[string, Partial<StudyInput>, RegExp]>([
    [
      'an unknown path',
      { vary: [{ path: 'guests[0].wieght', values: [1] }] },
      /"guests\[0\]\.wieght", which no scenario has; the nearest are guests\[0\]\.weight/u,
    ],
    [
      'an unknown top field',
      { vary: [{ path: 'nic.ratebps', values: [1] }] },
      /the nearest are nic\.rateBps/u,
    ],
    [
      'a field of a change',
      {
        scenario: { guests: [{ name: 'a' }], changes: [{ atNs: 5, rateBps: 2_000_000 }] },
        vary: [{ path: 'changes[0].rate', values: [1] }],
      },
      /"changes\[0\]\.rate", which no scenario has; the nearest are changes\[0\]\.rateBps/u,
    ],
    [
      'a field of another kind of traffic',
      { vary: [{ path: 'guests[b].traffic.meanOnNs', values: [1] }] },
      /no scenario has/u,
    ],
    [
      'a guest that is not there',
      { vary: [{ path: 'guests[c].weight', values: [1] }] },
      /expected one of a, b in the brackets/u,
    ],
    ['the seed', { vary: [{ path: 'seed', values: [1] }] }, /expected seeds/u],
    [
      'a combination that the schema refuses',
      { vary: [{ path: 'guests[0].weight', values: [1, 0] }] },
      /guests_0_weight = 0 cannot run: .*weight is 0/u,
    ],
    [
      'a combination that the card refuses',
      { vary: [{ path: 'nic.dmaInFlight', values: [-3] }] },
      /nic_dmaInFlight = -3 cannot run/u,
    ],
    [
      'an unknown approach',
      { vary: [{ path: 'protection', values: ['cdna', 'magic'] }] },
      /protection = "magic" cannot run/u,
    ],
    [
      'an unknown discipline',
      { vary: [{ path: 'discipline', values: ['dr'] }] },
      /discipline = "dr" cannot run/u,
    ],
    [
      'a zip of two lengths',
      {
        vary: [
          {
            zip: [
              { path: 'guests[0].weight', values: [1] },
              { path: 'guests[1].weight', values: [1, 2] },
            ],
          },
        ],
      },
      /zip\[1\] has 2 values, expected 1/u,
    ],
    [
      'a column twice',
      {
        vary: [
          { path: 'guests[0].weight', name: 'w', values: [1] },
          { path: 'guests[1].weight', name: 'w', values: [1] },
        ],
      },
      /column "w" twice/u,
    ],
    [
      'two columns that differ in case alone',
      {
        vary: [
          { path: 'guests[0].weight', name: 'w', values: [1] },
          { path: 'guests[1].weight', name: 'W', values: [1] },
        ],
      },
      /column "W" twice/u,
    ],
    ['a seed twice', { seeds: [7, 1, 7] }, /seeds has 7 twice, expected each seed once/u],
    [
      'a value twice',
      { vary: [{ path: 'protection', values: ['cdna', 'none', 'cdna'] }] },
      /vary\[0\] has "cdna" twice, expected each once/u,
    ],
    [
      'a number twice in steps that are too small for it',
      { vary: [{ path: 'host.hertz', from: 1e9, to: 1e9 + 0.003, step: 0.001 }] },
      /vary\[0\] has 1000000000 twice/u,
    ],
    [
      'a combination of a zip twice',
      {
        vary: [
          {
            zip: [
              { path: 'guests[0].weight', values: [1, 2, 1] },
              { path: 'guests[1].weight', values: [3, 3, 3] },
            ],
          },
        ],
      },
      /vary\[0\] has 1, 3 twice/u,
    ],
    [
      'values that are the same with defaults filled in',
      {
        vary: [
          {
            path: 'guests[b].traffic',
            name: 'traffic',
            values: [{ kind: 'greedy' }, { kind: 'greedy', frameBytes: 1514 }],
          },
        ],
      },
      /the combinations traffic = .* and traffic = .*1514\} are the same scenario with defaults filled in/u,
    ],
    [
      'a field and a part of it',
      {
        vary: [
          { path: 'guests[0].weight', values: [1] },
          { path: 'guests[0]', values: [{ name: 'c', traffic: { kind: 'greedy' } }] },
        ],
      },
      /vary sets "guests\[0\]" and "guests\[0\]\.weight", which is a part of it, expected one of them/u,
    ],
    [
      'a field by its place and by its name',
      {
        vary: [
          { path: 'guests[0].weight', values: [1] },
          { path: 'guests[a].weight', values: [2] },
        ],
      },
      /vary sets the same field by "guests\[0\]\.weight" and by "guests\[a\]\.weight"/u,
    ],
    [
      'a field twice in one list of paths',
      { vary: [{ path: ['guests[0].weight', 'guests[0].weight'], values: [1] }] },
      /vary sets the same field by/u,
    ],
    [
      'a range that goes down',
      { vary: [{ path: 'guests[0].weight', from: 3, to: 1, step: 1 }] },
      /to is 1, expected at least from, which is 3/u,
    ],
    [
      'a logarithm of nothing',
      { vary: [{ path: 'host.hertz', from: 0, to: 1, points: 3, scale: 'log' }] },
      /expected a number above 0/u,
    ],
    ['except without a variable', { except: [{ load: 3 }] }, /load is no variable of this study/u],
    [
      'except that leaves nothing',
      { vary: [{ path: 'guests[0].weight', values: [1] }], except: [{ guests_0_weight: 1 }] },
      /leaves nothing of 1 points/u,
    ],
    ['an unknown attack', { attacks: ['tickle'] }, /attacks has "tickle", expected some of/u],
  ])('%s', async (_what, change, message) => {
    await expect(planOf({ scenario: SCENARIO, ...change })).rejects.toThrow(message);
    await expect(planOf({ scenario: SCENARIO, ...change })).rejects.toHaveProperty('name', 'SweepError');
  });
});
