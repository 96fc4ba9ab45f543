import type { Certainty } from '../../host/cpu/costs.js';
import type { Chart, LegendEntry, Mark } from '../report/charts/chart.js';
import type { ReportFigure } from '../report/html/figure.js';
import { mean } from '../sweep/statistics.js';
import { rounded } from './rounded.js';

/** A figure that was published. */
export interface ReferenceFigure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly source: string;
  /** How certain it is that it was published so; docs/calibration.md explains the marks. */
  readonly certainty: Certainty;
}

/**
 * What a comparison with it is worth. `fitted`: a parameter was found from it. `predicted`: nothing was. `shown`: it
 * is too vague to be expected (M-), and stands there to be seen.
 */
export type FigureRole = 'fitted' | 'predicted' | 'shown';

/** A published figure and what the emulator gives in its place. */
export interface ComparedFigure extends ReferenceFigure {
  /** Which of ours this is, where more than one may be what was published: each has a comparison of its own. */
  readonly candidate?: string;
  /** Mean over the seeds. */
  readonly ours: number;
  /** Least and most over the seeds. */
  readonly ours_range: readonly [number, number];
  /** ours / value - 1; points of difference, as a fraction, for shares of the CPU. Absent where `shown`. */
  readonly error?: number;
  readonly role: FigureRole;
}

/** Shares of the CPU are compared in points: a share of nearly nothing has no useful ratio. */
export const SHARE_UNIT = '% of CPU';
/** Roles of figures that have an error, each with the sign that stands for it. */
const ROLES: Readonly<Record<string, LegendEntry>> = {
  predicted: { text: 'predicted', style: 1, as: 'circle' },
  fitted: { text: 'fitted', style: 4, as: 'square' },
};
/** More figures than these are not a row each: those of one kind share a row. */
const MOST_ROWS = 16;
/** What figures of a unit are, where a row is a kind. */
const KINDS: Readonly<Record<string, string>> = {
  [SHARE_UNIT]: 'shares of CPU',
  'Mb/s': 'rates',
  '/s': 'interrupts',
  x: 'ratios',
};
/** A predicted figure that is off by more is named in the answer. */
const MISSED = 0.1;

/** @param values ours, one for each seed */
export function compareFigure(
  figure: ReferenceFigure,
  values: readonly number[],
  role: 'fitted' | 'predicted' = 'predicted',
): ComparedFigure {
  const ours = mean(values);
  const range = [rounded(Math.min(...values)), rounded(Math.max(...values))] as const;
  const compared = { ...figure, ours: rounded(ours), ours_range: range };
  if (figure.certainty === 'M-') return { ...compared, role: 'shown' };
  const error = figure.unit === SHARE_UNIT ? (ours - figure.value) / 100 : ours / figure.value - 1;
  return { ...compared, error: rounded(error), role };
}

/** The name by which a comparison is told from the others. */
function comparisonName({ name, candidate }: Pick<ComparedFigure, 'name' | 'candidate'>): string {
  return candidate === undefined ? name : `${name}: ${candidate}`;
}

/** Published figures beside ours: how far each is off, and what it is worth. */
export function publishedFigure(figures: readonly ComparedFigure[], id: string): ReportFigure {
  const isApart = figures.length <= MOST_ROWS;
  return {
    id,
    title: 'Published figures and ours',
    sentence: `How far ours is off each published figure${
      isApart ? '' : ', those of a kind in a row'
    }: circles were predicted, squares were used to find a parameter; shares of the CPU in points, all else in percent of the figure.`,
    chart: errorChart(figures, isApart),
    table: {
      heads: ['figure', 'published', 'certainty', 'ours (range)', 'error', 'role', 'source'],
      rows: figures.map((figure) => [
        comparisonName(figure),
        `${figure.value} ${figure.unit}`,
        `[${figure.certainty}]`,
        oursText(figure),
        errorText(figure),
        figure.role,
        figure.source,
      ]),
    },
  };
}

/**
 * Of the predicted figures how many are near, and which is missed most: a sentence for the head of a report. A figure
 * that stands beside several candidates is one figure; each of its comparisons has an error.
 */
export function publishedSentence(figures: readonly ComparedFigure[]): string {
  const predicted = figures.filter(({ role, error }) => role === 'predicted' && error !== undefined);
  if (predicted.length === 0) return '';
  const sizes = predicted.map(({ error = 0 }) => Math.abs(error));
  const published = new Set(predicted.map(({ name }) => name)).size;
  const within = sizes.filter((size) => size <= MISSED).length;
  const comparisons = predicted.length === published ? '' : `${predicted.length} comparisons with `;
  const [were, is] = [published === 1 ? ' that was' : 's that were', within === 1 ? 'is' : 'are'];
  return `Of ${comparisons}${published} published figure${were} predicted, ${within} ${is} off by at most ${MISSED * 100} % (shares of the CPU: points); the median is off by ${(median(sizes) * 100).toFixed(1)} % or points.${missSentence(predicted)}`;
}

/** How far a figure is off. One that is compared with nothing has no error, and is not off. */
export function missOf({ error = 0 }: { readonly error?: number | undefined }): number {
  return Math.abs(error);
}

/** So many misses are named in an answer. */
const MOST_MISSES = 4;

/**
 * Names what is missed by more than counts as near: ratios first, since they are what a paper is cited for, then the
 * largest.
 */
function missSentence(predicted: readonly ComparedFigure[]): string {
  const missed = predicted
    .filter((figure) => missOf(figure) > MISSED)
    .sort(
      (one, other) => Number(other.unit === 'x') - Number(one.unit === 'x') || missOf(other) - missOf(one),
    );
  if (missed.length === 0) return '';
  const named = missed
    .slice(0, MOST_MISSES)
    .map(
      (figure) =>
        `"${comparisonName(figure)}", published ${figure.value} ${figure.unit}, here ${short(figure.ours)} (${errorText(figure)})`,
    );
  const more = missed.length > named.length ? `; and ${missed.length - named.length} more` : '';
  return ` Missed: ${named.join('; ')}${more}.`;
}

/** The middle of an odd count, the mean of the two about the middle of an even one. */
function median(values: readonly number[]): number {
  const sorted = [...values].sort((one, other) => one - other);
  const upper = Math.floor(sorted.length / 2);
  return mean(sorted.slice(sorted.length % 2 === 0 ? upper - 1 : upper, upper + 1));
}

function errorChart(figures: readonly ComparedFigure[], isApart: boolean): Chart {
  const shown = figures.filter(({ error }) => error !== undefined);
  const nameOf = (figure: ComparedFigure) =>
    isApart ? comparisonName(figure) : `${KINDS[figure.unit] ?? figure.unit}, ${figure.role}`;
  const most = Math.max(10, ...shown.map(({ error = 0 }) => Math.abs(error) * 100)) * 1.1;
  const marks = shown.flatMap((figure): Mark[] => {
    const { error = 0 } = figure;
    const role = ROLES[figure.role];
    const [x, y] = [error * 100, nameOf(figure)];
    const shape = role?.as === 'square' ? 'square' : 'circle';
    return [
      { kind: 'rule', y, x: 0, toX: x, style: 'rule' },
      { kind: 'point', x, y, style: role?.style ?? 1, shape },
    ];
  });
  return {
    title: 'Errors of published figures',
    description: `Points on both sides of zero. ${shown.map((figure) => `${comparisonName(figure)}: ${errorText(figure)}, ${figure.role}`).join('; ')}.`,
    x: { title: 'off by, % or points', domain: [-most, most] },
    y: { scale: 'rows', rows: [...new Set(shown.map(nameOf))] },
    rowHeight: 22,
    legend: Object.values(ROLES).filter(({ text }) => shown.some(({ role }) => role === text)),
    panels: [{ marks: [{ kind: 'rule', x: 0, style: 'ink' }, ...marks] }],
  };
}

/** With its sign: `+12.3 %`. */
export function percent(fraction: number): string {
  return `${fraction < 0 ? '-' : '+'}${(Math.abs(fraction) * 100).toFixed(1)} %`;
}

function errorText({ error, unit }: Pick<ComparedFigure, 'error' | 'unit'>): string {
  if (error === undefined) return '-';
  return unit === SHARE_UNIT ? percent(error).replace('%', 'points') : percent(error);
}

function oursText({ ours, ours_range: [least, most] }: ComparedFigure): string {
  return short(least) === short(most) ? short(ours) : `${short(ours)} (${short(least)}-${short(most)})`;
}

function short(value: number): string {
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(2);
}
