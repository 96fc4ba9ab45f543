import type { FigureTable } from '../html/figure.js';
import { plainTable } from '../plain-table.js';
import { type Spread, scaleSpread, spreadText } from './spread.js';

/** What a metric is worth: one number, what several seeds gave, or nothing where it does not apply. */
export type MetricValue = number | Spread | undefined;

/**
 * One quantity that is measured. A table of these is the only place that says how it is called, what it is in and
 * where it comes from; text, HTML tables, plots, CSV and the data dictionary are generated from it.
 */
export interface Metric<Subject> {
  /** Its column in CSV and entry in a data dictionary. Where `unit` is not obvious from it, the unit is part of it. */
  readonly id: string;
  /** As a figure or a data dictionary calls it, without its unit. */
  readonly title: string;
  /** As the column of a table in text calls it, `\n` between lines. @defaultValue the title and the unit */
  readonly head?: string;
  /** Of the value that `of` returns; a unit of `UNITS` is converted when it is shown. */
  readonly unit: string;
  /** Decimals that are shown. @defaultValue those of the unit */
  readonly digits?: number;
  /** Title of its axis in plots, with the unit. @defaultValue the title and the unit */
  readonly axis?: string;
  /** What it is, in a sentence: stands under figures and in the data dictionary. */
  readonly sentence: string;
  /** Where the value comes from: a key of the result document, a counter, a register. */
  readonly source?: string;
  readonly of: (subject: Subject) => MetricValue;
  /** Whether the value is a percentile of fewer samples than make one: tables show it with `FEW_MARK`. */
  readonly isOfFew?: ((subject: Subject) => boolean) | undefined;
}

/** Stands behind a percentile of too few samples. */
export const FEW_MARK = '*';
/** What the mark means. */
export const FEW_NOTE = `${FEW_MARK} of fewer than 100 samples (1,000 for p99.9): too few for a percentile, it is the longest`;

/** How values of a unit are shown. */
export interface ShownUnit {
  readonly unit: string;
  readonly divisor: number;
  readonly digits: number;
  /** Values that are shown below this get two decimals. */
  readonly fineBelow?: number;
}

/** Units of result documents, and what they are shown in. Others are shown as they are. */
export const UNITS: Readonly<Record<string, ShownUnit>> = {
  'bit/s': { unit: 'Mb/s', divisor: 1e6, digits: 1 },
  ns: { unit: 'us', divisor: 1e3, digits: 0, fineBelow: 10 },
  fraction: { unit: '%', divisor: 0.01, digits: 1 },
  'fraction of all cores': { unit: 'points of CPU', divisor: 0.01, digits: 1 },
  pages: { unit: 'MB', divisor: 1e6 / 4096, digits: 1 },
  count: { unit: '', divisor: 1, digits: 0 },
  bytes: { unit: 'bytes', divisor: 1, digits: 0 },
};

/** The unit in which values of a metric are shown. */
export function shownUnit({ unit, digits }: Pick<Metric<never>, 'unit' | 'digits'>): ShownUnit {
  const shown = UNITS[unit] ?? { unit, divisor: 1, digits: 1 };
  return digits === undefined ? shown : { unit: shown.unit, divisor: shown.divisor, digits };
}

/** Title and unit: `Goodput, Mb/s`. */
export function metricHead<Subject>(metric: Metric<Subject>): string {
  const { unit } = shownUnit(metric);
  return unit === '' ? metric.title : `${metric.title}, ${unit}`;
}

/** Title of a plot's axis. */
export function metricAxis<Subject>(metric: Metric<Subject>): string {
  return metric.axis ?? metricHead(metric);
}

/** The value in the unit in which it is shown: what a plot draws. */
export function shownValue<Subject>(metric: Metric<Subject>, subject: Subject): Spread | undefined {
  const value = metric.of(subject);
  if (value === undefined || (typeof value === 'number' && Number.isNaN(value))) return undefined;
  const spread = typeof value === 'number' ? { mean: value, least: value, most: value } : value;
  return scaleSpread(spread, shownUnit(metric).divisor);
}

/** The value as tables show it: `-` where there is none. */
export function metricText<Subject>(metric: Metric<Subject>, subject: Subject): string {
  const shown = shownValue(metric, subject);
  if (shown === undefined) return '-';
  const { digits, fineBelow = 0 } = shownUnit(metric);
  const text = thousands(spreadText(shown, Math.abs(shown.mean) < fineBelow ? 2 : digits));
  return metric.isOfFew?.(subject) === true ? `${text}${FEW_MARK}` : text;
}

/** The note on marked values, if there are any among these. */
export function fewNote<Subject>(
  metrics: readonly Metric<Subject>[],
  subjects: readonly Subject[],
): string | undefined {
  const isMarked = metrics.some(({ of, isOfFew }) =>
    subjects.some((subject) => of(subject) !== undefined && isOfFew?.(subject) === true),
  );
  return isMarked ? FEW_NOTE : undefined;
}

/** Whole numbers above 999 with commas. */
function thousands(text: string): string {
  return text.replaceAll(/(?<![\d.])\d{4,}(?![\d]*\.)/gu, (digits) =>
    digits.replaceAll(/\B(?=(\d{3})+$)/gu, ','),
  );
}

/** What is measured, and the texts that say which one it is, one per column of `names`. */
export interface MetricRow<Subject> {
  readonly names: readonly string[];
  readonly subject: Subject;
}

/** Rows and metrics as a table of text. */
export function metricTextTable<Subject>(
  names: readonly string[],
  metrics: readonly Metric<Subject>[],
  rows: readonly MetricRow<Subject>[],
): string {
  const table = plainTable(
    [
      ...names.map((head) => ({ head, align: 'left' as const })),
      ...metrics.map((metric) => ({ head: metric.head ?? metricHead(metric), align: 'right' as const })),
    ],
    metricCells(metrics, rows),
  );
  const note = noteOf(metrics, rows);
  return note === undefined ? table : `${table}\n${note}`;
}

function noteOf<Subject>(metrics: readonly Metric<Subject>[], rows: readonly MetricRow<Subject>[]) {
  return fewNote(
    metrics,
    rows.map(({ subject }) => subject),
  );
}

/** The same for a figure of a report. */
export function metricFigureTable<Subject>(
  names: readonly string[],
  metrics: readonly Metric<Subject>[],
  rows: readonly MetricRow<Subject>[],
): FigureTable {
  const note = noteOf(metrics, rows);
  return {
    heads: [...names, ...metrics.map(metricHead)],
    textHeads: [...names, ...metrics.map((metric) => metric.head ?? metricHead(metric))],
    rows: metricCells(metrics, rows),
    ...(note === undefined ? {} : { note }),
  };
}

function metricCells<Subject>(
  metrics: readonly Metric<Subject>[],
  rows: readonly MetricRow<Subject>[],
): string[][] {
  return rows.map(({ names, subject }) => [
    ...names,
    ...metrics.map((metric) => metricText(metric, subject)),
  ]);
}

/** An entry of a data dictionary: values are in `unit`, as documents and CSV have them. */
export interface DictionaryEntry {
  readonly id: string;
  readonly title: string;
  readonly unit: string;
  readonly sentence: string;
  readonly source: string;
}

/** A table of metrics as a data dictionary. */
export function dataDictionary<Subject>(metrics: readonly Metric<Subject>[]): DictionaryEntry[] {
  return metrics.map(({ id, title, unit, sentence, source = '' }) => ({ id, title, unit, sentence, source }));
}
