import { beforeAll, describe, expect, test } from 'vitest';
import type { LetThrough } from '../../../src/attack/let-through.js';
import type { RunResult } from '../../../src/machine/run-result.js';
import { DOUBTS, unbeaten } from '../../../src/report/compare/choice.js';
import { describeComparison } from '../../../src/report/compare/compare-page.js';
import { compareRuns, PRICE_METRICS } from '../../../src/report/compare/compared.js';
import { checkScenario } from '../../../src/scenario/load.js';
import { simulate } from '../../../src/simulate.js';

const SCENARIO = {
  guests: [
    { name: 'light', traffic: { kind: 'constant' as const, wireRateBps: 20_000_000, frameBytes: 200 } },
    { name: 'greedy', traffic: { kind: 'greedy' as const } },
  ],
  nic: { rateBps: 10_000_000_000 },
};
const APPROACHES = ['none', 'driver-domain', 'cdna', 'iommu:single-use'];
const DURATION_NS = 10_000_000;

/** What gets through is given here, so that it can be told from what is computed of it. */
const throughOf = (approach: string, byGuests: number, byCards: number): LetThrough => ({
  approach,
  byGuests,
  ofGuests: 30,
  byCards,
  ofCards: 10,
  through: byGuests + byCards,
  of: 40,
  attacks: [],
});
const THROUGH = [
  throughOf('none', 20, 9),
  throughOf('driver-domain', 4, 9),
  throughOf('cdna', 4, 8),
  throughOf('iommu:single-use', 3, 2),
];

describe('the page of a comparison', () => {
  let runs: RunResult[] = [];
  const heading = {
    loaded: { scenario: checkScenario(SCENARIO), source: 'a test' },
    discipline: 'drr',
    seed: 1,
    warmUpNs: 0,
    durationNs: DURATION_NS,
  };

  beforeAll(async () => {
    runs = [];
    for (const protection of APPROACHES)
      runs.push(await simulate(SCENARIO, { protection, durationNs: DURATION_NS, warmUpNs: 0 }));
  });

  test('opens with price against protection: a panel per currency, a point and a label per approach', () => {
    const { opening, sections } = describeComparison(heading, runs, 'again', THROUGH);
    expect(opening?.figure.id).toBe('price-and-protection');
    const panels = opening?.figure.chart?.panels ?? [];
    expect(panels).toHaveLength(2);
    for (const { marks } of panels) {
      expect(marks.filter(({ kind }) => kind === 'point')).toHaveLength(APPROACHES.length);
      const labels = marks.flatMap((mark) => (mark.kind === 'label' ? [mark.text] : []));
      expect(labels.map((text) => text.replace(/ \(.*$/u, ''))).toEqual(APPROACHES);
      // The driver domain cannot fill this wire, and the label says what it carries of it.
      const carried = ((runs[1]?.goodputBps ?? 0) / (runs[0]?.goodputBps ?? 1)) * 100;
      expect(carried).toBeLessThan(90);
      expect(labels[1]).toBe(`driver-domain (${Math.round(carried)} %)`);
    }
    expect(sections.flatMap(({ figures }) => figures.map(({ id }) => id))).not.toContain(
      'price-and-protection',
    );
    // Without attacks there is nothing to draw against, and without a second run nothing to compare.
    expect(describeComparison(heading, runs, 'again').opening).toBeUndefined();
    expect(describeComparison(heading, runs.slice(0, 1), 'again', THROUGH).opening).toBeUndefined();
  });

  test('an approach that carries half is not cheap because it is idle', () => {
    const compared = compareRuns(runs, THROUGH);
    const [none, driverDomain] = compared;
    if (none === undefined || driverDomain === undefined) throw new Error('runs are missing');
    expect(PRICE_METRICS.cpuPerBit.of(none)).toBe(1);
    expect(PRICE_METRICS.cpuPerBit.of(driverDomain)).toBeGreaterThan(1.2);
    for (const doubt of DOUBTS) {
      const names = unbeaten(compared, doubt).map(({ name }) => name);
      expect(names).not.toContain('driver-domain');
      // From the tightest on, each step is cheaper.
      expect(names[0]).toBe('iommu:single-use');
      expect(names.at(-1)).toBe('none');
    }
  });

  test('the answer names an approach for the guest that sends least, and how many attacks of how many get through', () => {
    const { answer } = describeComparison(heading, runs, 'again', THROUGH);
    const compared = compareRuns(runs, THROUGH);
    const waits = (name: string) =>
      compared.find((one) => one.name === name)?.run.guests.find((guest) => guest.name === 'light')?.latencyNs
        ?.p99Ns ?? Number.NaN;
    const fit = compared.filter((one) => {
      const carried = Number(PRICE_METRICS.goodputOfNone.of(one));
      return one.name !== 'none' && waits(one.name) <= 1.1 * waits('none') && carried >= 0.98;
    });
    const light = answer.find((text) => text.startsWith('For light, the guest that sends least: '));
    expect(light !== undefined).toBe(fit.length > 0);
    const guests = answer.find((text) => text.startsWith('If guests are not trusted'));
    expect(guests).toMatch(
      /iommu:single-use lets the fewest attacks by guests through, 3 of 30, at \d\.\d\d times/u,
    );
    expect(guests).toMatch(/cdna lets 4 of 30 through, at/u);
    expect(answer.find((text) => text.startsWith('If the card is not trusted either'))).toContain(
      'iommu:single-use lets the fewest attacks of all through, 5 of 40',
    );
    expect(answer.join(' ')).not.toMatch(/cheapest/u);
  });
});
