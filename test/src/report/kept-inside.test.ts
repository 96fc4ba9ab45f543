import { beforeAll, describe, expect, test } from 'vitest';
import type { RunResult } from '../../../src/machine/run-result.js';
import { describeComparison } from '../../../src/report/compare/compare-page.js';
import { compareRuns, PRICE_METRICS } from '../../../src/report/compare/compared.js';
import { keepsInside } from '../../../src/report/compare/kept-inside.js';
import { seedSamples, seedStatistics } from '../../../src/report/compare/seeds.js';
import { comparisonText } from '../../../src/report/comparison-text.js';
import { checkScenario } from '../../../src/scenario/load.js';
import type { Scenario, ScenarioInput } from '../../../src/scenario/schema.js';
import { simulate } from '../../../src/simulate.js';

const GUESTS: ScenarioInput['guests'] = [
  { name: 'client', count: 2, traffic: { kind: 'request', to: 'server', outstanding: 4 } },
  { name: 'server' },
  { name: 'lone', traffic: { kind: 'request', thinkNs: 10_000 } },
];
const WINDOW = { warmUpNs: 0, durationNs: 2_000_000 };

const headingOf = (scenario: Scenario) => ({
  loaded: { scenario, source: 'a test' },
  discipline: 'drr',
  seed: 1,
  ...WINDOW,
});

function runsOf(scenario: ScenarioInput): Promise<RunResult[]> {
  return Promise.all(
    ['none', 'cdna', 'driver-domain'].map((protection) => simulate(scenario, { protection, ...WINDOW })),
  );
}

/** Rows of the first table: approach, goodput of none and CPU time per bit. */
function prices(text: string): (string | undefined)[][] {
  return ['none', 'cdna', 'driver-domain'].map((name) => {
    const row = text.split('\n').find((line) => line.startsWith(`${name} `));
    const cells = row?.split(/ +/u) ?? [];
    return [name, cells[3], cells[4]];
  });
}

describe('guests that ask another guest, whose frames a driver domain passes on by itself', () => {
  const scenario = checkScenario({ guests: GUESTS });
  let runs: RunResult[] = [];
  beforeAll(async () => {
    runs = await runsOf({ guests: GUESTS });
  });

  test('its goodput is that of the wire, a fraction of what no protection sends, and is not compared with it', () => {
    const [none, cdna, bridged] = compareRuns(runs, [], scenario);
    if (none === undefined || cdna === undefined || bridged === undefined) throw new Error('no runs');
    // The clients are answered no less: what looks like a loss never was on a wire.
    expect(bridged.run.goodputBps).toBeLessThan(none.run.goodputBps / 10);
    expect(bridged.run.guests[0]?.requests?.answered).toBeGreaterThan(10);
    expect([none, cdna, bridged].map(({ keepsInside: isKept }) => isKept)).toEqual([false, false, true]);
    for (const { of } of [PRICE_METRICS.goodputOfNone, PRICE_METRICS.cpuPerBit]) {
      expect(of(none)).toBe(1);
      expect(of(cdna)).toBeGreaterThan(0.5);
      expect(of(bridged)).toBeUndefined();
    }
  });

  test('the text has a dash there and says why; every line fits', () => {
    const text = comparisonText(headingOf(scenario), runs);
    const [none, cdna, bridged] = prices(text);
    expect(none).toEqual(['none', '1.00', '100.0']);
    expect(cdna).not.toContain('-');
    expect(bridged).toEqual(['driver-domain', '-', '-']);
    expect(text).toContain(
      'Under driver-domain frames between guests stay in the machine.\n' +
        'Goodput and latency are of the wire: neither goodput nor CPU time per bit is compared there.\n',
    );
    expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(100);
  });

  test('the page gives that reason and no other, and does not rank its goodput', () => {
    const { answer } = describeComparison(headingOf(scenario), runs, 'again');
    const said = answer.join('\n');
    expect(said).toContain('Under driver-domain frames between guests stay in the machine');
    expect(said).not.toContain('driver-domain carries');
    expect(said).not.toContain('one driver domain');
    expect(said).not.toMatch(/Goodput goes from [\d.,]+ Mb\/s out \(driver-domain\)/u);
  });

  test('what is said of the fewest attacks is said of the approaches that have a price', () => {
    const through = runs.map(({ protection }, index) => ({
      ...{ approach: protection, byGuests: 9 - index, ofGuests: 10, byCards: 0, ofCards: 0 },
      ...{ through: 9 - index, of: 10, attacks: [] },
    }));
    const { answer } = describeComparison(headingOf(scenario), runs, 'again', through);
    const guests = answer.find((text) => text.startsWith('If guests are not trusted'));
    expect(guests).toContain(
      'cdna lets the fewest attacks by guests through of those with a price per bit, 8 of 10',
    );
    expect(guests).not.toContain('driver-domain');
  });

  test('statistics over seeds leave both out for it', () => {
    const statistics = seedStatistics(seedSamples(runs, [], scenario));
    const named = (approach: string) =>
      Object.keys(statistics.find((one) => one.approach === approach)?.metrics ?? {});
    expect(named('cdna')).toEqual(expect.arrayContaining(['goodputOfNone', 'cpuPerBitOfNone', 'goodputBps']));
    expect(named('driver-domain')).toContain('goodputBps');
    expect(named('driver-domain')).not.toContain('goodputOfNone');
    expect(named('driver-domain')).not.toContain('cpuPerBitOfNone');
  });

  test('where the card switches nothing is compared, under any approach', async () => {
    const nic = { switching: true };
    const switched = await runsOf({ guests: GUESTS, nic });
    const heading = headingOf(checkScenario({ guests: GUESTS, nic }));
    const text = comparisonText(heading, switched);
    expect(prices(text).map((cells) => cells.slice(1))).toEqual([
      ['-', '-'],
      ['-', '-'],
      ['-', '-'],
    ]);
    expect(text).toContain('Under all approaches frames between guests stay in the machine');
    expect(describeComparison(heading, switched, 'again').answer.join('\n')).not.toMatch(
      /Goodput (goes|is alike)/u,
    );
  });

  test('guests whose frames are for the wire are compared as ever', () => {
    const outward = (guests: ScenarioInput['guests'], rest: Omit<ScenarioInput, 'guests'> = {}) =>
      runs.map((run) => keepsInside(checkScenario({ guests, ...rest }), run));
    expect(outward([{ name: 'a', traffic: { kind: 'greedy' } }], { nic: { switching: true } })).toEqual([
      false,
      false,
      false,
    ]);
    expect(outward([{ traffic: { kind: 'request' } }])).toEqual([false, false, false]);
  });
});
