import type { FigureTable, ReportFigure } from '../../report/html/figure.js';
import { idOf } from '../../report/html/markup.js';
import { shownUnit } from '../../report/metrics/metric.js';
import type { Estimate } from '../statistics.js';
import type { CellValue, Column } from '../tables.js';
import { type Difference, ERROR_PROBABILITY, type Verdict } from './differences.js';
import type { ReportMetric } from './measured.js';

const MOST_TABLE_ROWS = 200;
const MOST_PAIRS_NAMED = 6;

/** How differences are tested, in words: stands once in the report. */
export const TEST_TEXT = `Two values of a variable are compared where all other variables are the same. All points of a study have the same seeds, so each comparison is a paired t test, two-sided, over the seeds that both sides have; a pair in which a run failed is left out. The p-values of all comparisons of a metric are corrected together by Holm's method, so that the probability that any difference of that metric is called larger than noise and is not is at most ${ERROR_PROBABILITY * 100} %. The test supposes that differences between seeds are roughly normal; with very few seeds it finds only large differences. Intervals are those of a single difference (95 %, Student's t), without the correction.`;

/** What a metric's comparisons come to, in a paragraph. */
export function differencesAnswer(
  { metric }: ReportMetric,
  differences: readonly Difference[],
  variable: string,
): string {
  const count = (...verdicts: readonly Verdict[]) =>
    differences.filter(({ verdict }) => verdicts.includes(verdict)).length;
  const real = differences.filter(({ verdict }) => verdict === 'larger' || verdict === 'smaller');
  if (differences.length === 0) return `${metric.title}: there is nothing to compare.`;
  if (count('untested') === differences.length) {
    return `${metric.title}: with fewer than two seeds in common no difference can be told from noise; give the study more seeds.`;
  }
  const parts = [
    `${metric.title}: ${real.length} of ${differences.length} differences between values of ${variable} are larger than noise`,
  ];
  const others = [
    [count('within noise'), 'within noise'],
    [count('equal'), 'exactly equal'],
    [count('untested'), 'untested for want of common seeds'],
  ] as const;
  const rest = others.filter(([number]) => number > 0).map(([number, what]) => `${number} ${what}`);
  if (rest.length > 0) parts.push(` (${rest.join(', ')})`);
  const largest = real.toSorted(
    (one, other) => Math.abs(other.estimate.mean) - Math.abs(one.estimate.mean),
  )[0];
  if (largest !== undefined) {
    const { one, other, place, estimate } = largest;
    parts.push(
      `. The largest: ${one} against ${other}${place === '' ? '' : ` at ${place}`}, ${signed(metric, estimate)}`,
    );
  }
  const never = pairsOf(differences).filter(({ all }) =>
    all.every(({ verdict }) => verdict === 'within noise' || verdict === 'equal'),
  );
  if (never.length > 0 && real.length > 0) {
    const named = never.slice(0, MOST_PAIRS_NAMED).map(({ one, other }) => `${one} and ${other}`);
    const more = never.length > named.length ? ` and ${never.length - named.length} more pairs` : '';
    parts.push(`. Nowhere told apart: ${named.join('; ')}${more}`);
  }
  return `${parts.join('')}.`;
}

/** A difference with its sign, its interval and its unit: `+12.3 (11 to 13.6) Mb/s`. */
function signed(metric: ReportMetric['metric'], { mean, halfWidth }: Estimate): string {
  const { divisor } = shownUnit(metric);
  const unit = differenceUnit(metric);
  const text = (value: number) =>
    (value / divisor).toLocaleString('en', { maximumSignificantDigits: 3, signDisplay: 'negative' });
  const interval = halfWidth === undefined ? '' : ` (${text(mean - halfWidth)} to ${text(mean + halfWidth)})`;
  return `${mean > 0 ? '+' : ''}${text(mean)}${interval}${unit === '' ? '' : ` ${unit}`}`;
}

/** A difference of two percentages is no percentage. */
function differenceUnit(metric: ReportMetric['metric']): string {
  const { unit } = shownUnit(metric);
  return unit === '%' ? 'percentage points' : unit;
}

/** Differences of the same two values, at all places. */
interface Pair {
  readonly one: string;
  readonly other: string;
  readonly all: Difference[];
}

function pairsOf(differences: readonly Difference[]): Pair[] {
  const pairs = new Map<string, Pair>();
  for (const difference of differences) {
    const { one, other } = difference;
    const key = JSON.stringify([one, other]);
    const pair = pairs.get(key) ?? { one, other, all: [] };
    pair.all.push(difference);
    pairs.set(key, pair);
  }
  return [...pairs.values()];
}

/** The comparisons of a metric, a row per pair of values, as a figure of the report. */
export function differencesFigure(
  reportMetric: ReportMetric,
  differences: readonly Difference[],
): ReportFigure {
  const { metric, name } = reportMetric;
  return {
    id: `differences-${idOf(name)}`,
    title: `Differences of ${metric.title}`,
    sentence:
      'A row per pair of values: at how many places the first has more than the second, less, or what noise may be; and the range of the differences of means.',
    table: pairTable(metric, pairsOf(differences)),
  };
}

function pairTable(metric: ReportMetric['metric'], pairs: readonly Pair[]): FigureTable {
  const { divisor } = shownUnit(metric);
  const unit = differenceUnit(metric);
  return {
    heads: [
      'values',
      'places',
      'larger',
      'smaller',
      'within noise or equal',
      'untested',
      `difference of means${unit === '' ? '' : `, ${unit}`}`,
      'smallest corrected p',
    ],
    rows: pairs.slice(0, MOST_TABLE_ROWS).map(({ one, other, all }) => {
      const count = (...verdicts: readonly Verdict[]) =>
        `${all.filter(({ verdict }) => verdicts.includes(verdict)).length}`;
      const means = all.map(({ estimate }) => estimate.mean / divisor).filter(Number.isFinite);
      const text = (value: number) => value.toLocaleString('en', { maximumSignificantDigits: 3 });
      const [least, most] = [Math.min(...means), Math.max(...means)];
      const range =
        means.length === 0 ? '-' : least === most ? text(least) : `${text(least)} to ${text(most)}`;
      const ps = all.flatMap(({ corrected }) => (corrected === undefined ? [] : [corrected]));
      return [
        `${one} less ${other}`,
        `${all.length}`,
        count('larger'),
        count('smaller'),
        count('within noise', 'equal'),
        count('untested'),
        range,
        ps.length === 0 ? '-' : probabilityText(Math.min(...ps)),
      ];
    }),
  };
}

function probabilityText(p: number): string {
  return p < 0.0001 ? '0.0001 or less' : p.toFixed(4);
}

/** Every comparison as a table: `differences.csv`. Values are in the units of the data dictionary. */
export function differencesTable(differences: readonly Difference[]): {
  readonly name: string;
  readonly columns: readonly Column[];
  readonly rows: () => Iterable<readonly CellValue[]>;
} {
  const column = (name: string, type: Column['type'], meaning: string): Column => ({
    name,
    type,
    unit: '',
    meaning,
  });
  return {
    name: 'differences',
    columns: [
      column('metric', 'text', 'Metric that is compared'),
      column('place', 'text', 'Values of the other variables'),
      column('one', 'text', 'One value'),
      column('other', 'text', 'The value it is compared with'),
      column('seeds', 'integer', 'Seeds that both have'),
      column('difference', 'number', 'Mean of one less other'),
      column('low', 'number', 'Lower end of the 95 % interval of a single difference'),
      column('high', 'number', 'Upper end of it'),
      column('base', 'number', 'Mean of other'),
      column('p', 'number', 'Two-sided p-value of the paired t test'),
      column(
        'correctedP',
        'number',
        'The same after the correction by Holm for all comparisons of the metric',
      ),
      column('verdict', 'text', 'larger, smaller, within noise, equal, or untested'),
    ],
    *rows() {
      for (const { metric, place, one, other, estimate, base, p, corrected, verdict } of differences) {
        const { count, mean, halfWidth } = estimate;
        yield [
          metric,
          place,
          one,
          other,
          count,
          finite(mean),
          halfWidth === undefined ? null : finite(mean - halfWidth),
          halfWidth === undefined ? null : finite(mean + halfWidth),
          finite(base),
          p ?? null,
          corrected ?? null,
          verdict,
        ];
      }
    },
  };
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
