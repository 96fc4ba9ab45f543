import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cellsOf } from '../../../src/sweep/report/cells.js';
import { differencesOf } from '../../../src/sweep/report/differences.js';
import { layOut } from '../../../src/sweep/report/layout.js';
import { type Measured, reportMetrics } from '../../../src/sweep/report/measured.js';
import { studyFigure } from '../../../src/sweep/report/study-figure.js';
import { holm } from '../../../src/sweep/statistics.js';
import type { StudyInput } from '../../../src/sweep/study-schema.js';
import { cli, emptyFolder, planOf, SCENARIO, STUDY, studyFile } from './study-lab.js';

const [GOODPUT] = reportMetrics(['goodputBps']);
const anyLayout = { over: undefined, lines: undefined, where: [] };

/** Differences of a study of two approaches whose runs are said to have given these goodputs, by seed. */
async function compared(one: readonly (number | null)[], other: readonly (number | null)[]) {
  const plan = await planOf({ scenario: SCENARIO, vary: [{ path: 'protection', values: ['none', 'cdna'] }] });
  const measured = plan.points.map(
    (point, at): Measured => ({
      point,
      runs: (at === 0 ? one : other).map((value, seed) => ({
        seed,
        outcome: { fingerprint: '', values: [value], guests: [] },
      })),
    }),
  );
  const layout = layOut(plan, anyLayout);
  const [difference] = differencesOf(cellsOf(GOODPUT ?? expect.fail(), layout, measured, []), undefined);
  return difference ?? expect.fail();
}

describe('a difference', () => {
  // Student, "The probable error of a mean", Biometrika 6 (1908): extra hours of sleep of ten patients under two drugs;
  // t = 4.0621 with 9 degrees of freedom, p = 0.002833, 95 % interval of the mean difference 0.7001 to 2.4599.
  const SLEEP = [
    [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0],
    [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4],
  ] as const;

  test('has the p-value and the interval of the paired t test that Student published', async () => {
    const { one, other, p, estimate, verdict } = await compared(...SLEEP);
    expect([one, other, verdict]).toEqual(['cdna', 'none', 'larger']);
    expect(p).toBeCloseTo(0.002833, 6);
    expect(estimate.mean).toBeCloseTo(1.58, 12);
    expect(estimate.mean - (estimate.halfWidth ?? 0)).toBeCloseTo(0.7001, 4);
    expect(estimate.mean + (estimate.halfWidth ?? 0)).toBeCloseTo(2.4599, 4);
  });

  test('leaves out seeds that one side lacks', async () => {
    const [one, other] = SLEEP;
    const { p, estimate } = await compared([...one, null, 900], [...other, 700]);
    expect(estimate.count).toBe(10);
    expect(p).toBeCloseTo(0.002833, 6);
  });

  test.each<[string, (number | null)[], (number | null)[]]>([
    ['equal', [3, 4, 5], [3, 4, 5]],
    ['larger', [3, 4, 5], [4, 5, 6]],
    ['smaller', [3, 4, 5], [2, 3, 4]],
    ['within noise', [3, 4, 5], [4, 3, 6]],
    // The differences cancel: 1, -1 and 0.
    ['within noise', [3, 4, 5], [4, 3, 5]],
    ['within noise', [3, 4], [4, 3]],
    ['untested', [3], [4]],
    ['untested', [3, null], [null, 4]],
  ])('is %s between %j and %j', async (verdict, one, other) => {
    expect(await compared(one, other).catch(() => ({ verdict: 'untested' }))).toHaveProperty(
      'verdict',
      verdict,
    );
  });
});

describe('the correction of several p-values', () => {
  test('is the one of Holm', () => {
    // By hand: 4 x 0.005, 3 x 0.01, 2 x 0.03, and 0.04, which is not below the one before it.
    const corrected = holm([0.01, 0.04, 0.03, 0.005]);
    for (const [at, value] of [0.03, 0.06, 0.06, 0.02].entries())
      expect(corrected[at]).toBeCloseTo(value, 12);
  });

  test('keeps order, never lowers a p-value, and is at most that of Bonferroni', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 30 }),
        (ps) => {
          const corrected = holm(ps);
          for (const [at, p] of ps.entries()) {
            const value = corrected[at] ?? -1;
            expect(value).toBeGreaterThanOrEqual(p);
            expect(value).toBeLessThanOrEqual(Math.min(1, p * ps.length) + 1e-12);
            for (const [other, q] of ps.entries())
              if (p < q) expect(value).toBeLessThanOrEqual(corrected[other] ?? 2);
          }
        },
      ),
    );
  });
});

describe('the layout of a report', () => {
  const laidOut = async (vary: StudyInput['vary'], request: Partial<Parameters<typeof layOut>[1]> = {}) => {
    const { over, lines, facets, points } = layOut(await planOf({ scenario: SCENARIO, vary }), {
      ...anyLayout,
      ...request,
    });
    return [over?.name, lines?.name, facets.map(({ name }) => name), points.length];
  };
  const WEIGHT = { path: 'guests[0].weight', name: 'weight', values: [1, 2, 3] };
  const RATE = { path: 'nic.rateBps', name: 'rate', values: [1e9, 1e10] };
  const APPROACH = { path: 'protection', values: ['none', 'cdna'] };

  test('has the number with the most values on the axis, approaches as lines, and panels of the rest', async () => {
    expect(await laidOut([RATE, APPROACH, WEIGHT])).toEqual(['weight', 'protection', ['rate'], 12]);
  });

  test('is what the user asks for', async () => {
    const request = { over: 'nic.rateBps', lines: 'weight', where: [{ name: 'protection', value: 'cdna' }] };
    expect(await laidOut([RATE, APPROACH, WEIGHT], request)).toEqual(['rate', 'weight', [], 6]);
  });

  test('has variables that change together once', async () => {
    expect(await laidOut([{ zip: [RATE, { ...WEIGHT, values: [5, 6] }] }])).toEqual([
      'rate',
      undefined,
      [],
      2,
    ]);
  });

  test.each<[string, Parameters<typeof laidOut>[1], RegExp]>([
    [
      'an unknown variable',
      { over: 'wieght' },
      /--over is "wieght", expected one of: rate, protection, weight/u,
    ],
    ['names on the axis', { over: 'protection' }, /whose values are no numbers/u],
    ['one variable twice', { over: 'rate', lines: 'rate' }, /both "rate"/u],
    [
      'a value that is not there',
      { where: [{ name: 'rate', value: '7' }] },
      /rate=7, expected one of its values/u,
    ],
  ])('is refused with %s', async (_what, request, message) => {
    await expect(laidOut([RATE, APPROACH, WEIGHT], request)).rejects.toThrow(message);
  });
});

describe('the axis of a variable', () => {
  test.each([
    ['few', [1, 2, 3, 4]],
    ['more than are labelled', Array.from({ length: 10 }, (_, at) => at + 1)],
  ])('of whole numbers has no tick between them: %s', async (_what, values) => {
    const plan = await planOf({
      scenario: SCENARIO,
      vary: [
        { path: 'protection', values: ['none', 'cdna'] },
        { path: 'guests[0].weight', values },
      ],
    });
    const layout = layOut(plan, anyLayout);
    const measured = plan.points.map(
      (point): Measured => ({
        point,
        runs: [{ seed: 1, outcome: { fingerprint: '', values: [point.index], guests: [] } }],
      }),
    );
    const { chart } = studyFigure(cellsOf(GOODPUT ?? expect.fail(), layout, measured, []), layout);
    const { ticks = [], domain } = chart?.x ?? expect.fail();
    expect(ticks.length).toBeGreaterThan(2);
    for (const tick of ticks) expect(values).toContain(tick);
    expect(domain?.[0]).toBeLessThan(1);
  });
});

describe('sweep report', () => {
  test('writes a page that says which differences are larger than noise, and a table of all of them', async () => {
    const folder = emptyFolder();
    const study = studyFile(folder, { ...STUDY, name: 'loads', seeds: 4 });
    const out = join(folder, 'out');
    await cli('sweep', study, '--out', out);
    const { code, out: said } = await cli('sweep', 'report', study, '--out', out);
    expect(code).toBe(0);
    expect(said).toMatch(
      /Hypervisor: \d of 6 differences between values of protection are larger than noise/u,
    );
    const page = readFileSync(join(out, 'report.html'), 'utf8');
    expect(page).toContain('<h1>Loads</h1>');
    expect(page).toContain('Holm');
    expect(page).toContain('id="metric-goodputbps"');
    const rows = readFileSync(join(out, 'differences.csv'), 'utf8').trimEnd().split('\r\n');
    // Three pairs of approaches at two loads.
    expect(rows.filter((row) => row.startsWith('hypervisorFraction,'))).toHaveLength(6);
    const { differences } = JSON.parse((await cli('sweep', 'report', study, '--out', out, '--json')).out) as {
      differences: unknown[];
    };
    expect(differences).toHaveLength(rows.length - 1);
    // The same journal gives the same bytes.
    await cli('sweep', 'report', study, '--out', out);
    expect(readFileSync(join(out, 'report.html'), 'utf8')).toBe(page);
  });

  test('shows any metric of a run or of its guests, what got through, and runs that are missing', async () => {
    const folder = emptyFolder();
    const out = join(folder, 'out');
    const study: StudyInput = { ...STUDY, attacks: ['foreign-page-read'], seeds: 1 };
    await cli('sweep', studyFile(folder, study), '--out', out);
    const path = studyFile(folder, { ...study, seeds: 2, name: '<b>two</b>' });
    const { out: said } = await cli(
      ...['sweep', 'report', path, '--out', out, '--metrics', 'guest.latencyP99Ns,walks', '--lines', 'load'],
    );
    expect(said).toContain('no difference can be told from noise');
    const page = readFileSync(join(out, 'report.html'), 'utf8');
    expect(page).toContain('id="metric-guest-latencyp99ns"');
    expect(page).toContain('&lt;b&gt;two');
    expect(page).toContain('6 runs of the study are missing');
    expect(page).toMatch(/<th scope="row">none<\/th><td class="number">1<\/td><td class="number">1<\/td>/u);
  });

  test.each([
    ['--metrics', 'speed', /--metrics has "speed", expected some of: goodputBps, .*guest\.framesOffered/u],
    ['--where', 'load', /--where has "load", expected VARIABLE=VALUE/u],
  ])('refuses %s %s', async (option, value, message) => {
    const folder = emptyFolder();
    // Two runs are enough for a journal.
    const study = studyFile(folder, { ...STUDY, vary: STUDY.vary?.slice(1), seeds: 1 });
    const { code, err } = await cli('sweep', 'report', study, '--out', join(folder, 'out'), option, value);
    expect([code, existsSync(join(folder, 'out'))]).toEqual([2, false]);
    // Without a journal that is what is said first, unless the option itself cannot be read.
    expect(err).toMatch(option === '--where' ? message : /journal\.ndjson is not there/u);
    await cli('sweep', study, '--out', join(folder, 'out'));
    expect((await cli('sweep', 'report', study, '--out', join(folder, 'out'), option, value)).err).toMatch(
      message,
    );
  });

  test('of a journal without a run of the study says so', async () => {
    const folder = emptyFolder();
    writeFileSync(join(folder, 'journal.ndjson'), '');
    const { err } = await cli('sweep', 'report', studyFile(folder, STUDY), '--out', folder);
    expect(err).toMatch(/has no run of this study, expected some; sweep the study first\n$/u);
  });
});
