import { beforeAll, describe, expect, test } from 'vitest';
import { ATTACKS } from '../../../guests/hostile/index.js';
import type { LetThrough } from '../../../src/attack/let-through.js';
import type { RunResult } from '../../../src/machine/run-result.js';
import { DOUBTS, unbeaten } from '../../../src/report/compare/choice.js';
import { describeComparison } from '../../../src/report/compare/compare-page.js';
import { type Compared, compareRuns, PRICE_METRICS } from '../../../src/report/compare/compared.js';
import { limitsAnswers } from '../../../src/report/compare/limits.js';
import { figureHtml } from '../../../src/report/html/figure-html.js';
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

  test('says the rate of the port, and which it gets when', () => {
    const portOf = (changes: object[]) => {
      const scenario = checkScenario({ ...SCENARIO, changes });
      const { sections } = describeComparison(
        { ...heading, loaded: { scenario, source: 'a test' } },
        runs,
        'again',
      );
      return sections[0]?.origin.parameters.find(({ name }) => name === 'port')?.value;
    };
    expect(portOf([])).toBe('10 Gb/s');
    expect(
      portOf([
        { atNs: 5_000_000, rateBps: 400_000_000_000 },
        { atNs: 1_000_000, guest: 'light', weight: 2 },
        { atNs: 2_500_000, rateBps: 100_000_000 },
      ]),
    ).toBe('10 Gb/s, 0.1 Gb/s from 2.5 ms on, 400 Gb/s from 5 ms on');
    const many = Array.from({ length: 8 }, (_, index) => ({ atNs: index, rateBps: 1_000_000_000 + index }));
    expect(portOf(many)).toMatch(/, and 2 more$/u);
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
    const compared = compareRuns(runs, THROUGH, heading.loaded.scenario);
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
    const compared = compareRuns(runs, THROUGH, heading.loaded.scenario);
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

  test('prices stand open under the first figure, and every count of attacks says of how many', () => {
    const { opening } = describeComparison(heading, runs, 'again', THROUGH);
    if (opening === undefined) throw new Error('no opening');
    const { text } = figureHtml(opening.figure, opening.origin);
    const closed = text.replaceAll(/<details[^>]*>[\s\S]*<\/details>/gu, '');
    expect(closed).toContain('<table>');
    expect(closed).toContain('>20 of 30<');
    expect(opening.figure.sentence).toContain(
      `of ${ATTACKS.length}, ${ATTACKS.length - 40} under ${APPROACHES.join(', ')}`,
    );
    expect(opening.figure.sentence).toContain('two guests, 64 MB, one port of 1 Gb/s');
    expect(opening.figure.sentence).not.toContain('None lies');
    expect(opening.figure.chart?.x.title).toContain('logarithmic');
  });

  test('CDNA against an IOMMU is on this page too', () => {
    const { answer } = describeComparison(heading, runs, 'again', THROUGH);
    expect(answer.join('\n')).toMatch(/CDNA against an IOMMU \(iommu:single-use\): .*4 of 30 .*3 of 30/u);
  });

  test('what limits is one sentence for all approaches with the same reason, and names the wire where it is full', () => {
    const limited = (name: string, wireBusyFraction: number): Compared => {
      const [none] = compareRuns(runs, THROUGH, heading.loaded.scenario);
      if (none === undefined) throw new Error('runs are missing');
      return { ...none, name, run: { ...none.run, cpuLimited: ['light'], wireBusyFraction } };
    };
    const sentences = limitsAnswers([limited('a', 1), limited('b', 0.5), limited('c', 1)]);
    expect(sentences).toHaveLength(2);
    expect(sentences[0]).toMatch(/^Under a, c the wire is full, .* light got less/u);
    expect(sentences[1]).toMatch(/^Under b light sent less/u);
    const byRing = limited('d', 1);
    const { cpuLimited: _core, ...run } = byRing.run;
    const [ring] = limitsAnswers([{ ...byRing, run: { ...run, ringLimited: ['light'] } }]);
    expect(ring).toMatch(
      /^Under d light got less than was due, because its ring was full .* \(ring-limited: transmitSlots\)\.$/u,
    );
    const driverDomain = limitsAnswers(compareRuns(runs, THROUGH, heading.loaded.scenario)).filter((text) =>
      text.startsWith('driver-domain carries'),
    );
    expect(driverDomain).toHaveLength(1);
    expect(driverDomain[0]).toMatch(/one driver domain, which takes \d/u);
  });

  test('a word that title and meaning both begin with stands once', () => {
    const { sections } = describeComparison(heading, runs, 'again', THROUGH);
    const text = sections.map(({ more }) => more?.text ?? '').join('');
    expect(text).toContain('plain DMA: both gates');
    expect(text).not.toMatch(/plain DMA: plain|: IOMMU;/u);
  });
});
