import type { TopLevelSpec } from 'vega-lite';
import type { FigureParameter, ReportFigure } from '../report/html/figure.js';
import { PLOT_COLOURS, PLOT_INK, type Plot } from '../report/plot.js';
import { legendAbove } from '../report/plots/panels.js';
import { rowLabels } from '../report/plots/stacked-bars.js';
import { bothWidths, PLOT_PIXELS, type PlotWidth } from '../report/plots/width.js';
import { textWidth } from '../report/text-width.js';
import { type ComparedFigure, comparisonName, mean, percent, SHARE_UNIT } from './reference-figure.js';

/** Roles of figures that have an error, each with the shape that stands for it. */
const ROLES = ['predicted', 'fitted'] as const;
const SHAPES = ['circle', 'square'];
const ROLE_COLOURS = [PLOT_COLOURS[0], PLOT_COLOURS[3]];
/** More figures than these are not a row each: those of one kind share a row. */
const MOST_ROWS = 16;
const MOST_NAME_PIXELS = 300;
/** What figures of a unit are, where a row is a kind. */
const KINDS: Readonly<Record<string, string>> = {
  [SHARE_UNIT]: 'shares of CPU',
  'Mb/s': 'rates',
  '/s': 'interrupts',
  x: 'ratios',
};

/** What is said of published figures besides the figures. */
export interface PublishedAbout {
  readonly id: string;
  readonly repeat: string;
  readonly parameters: readonly FigureParameter[];
}

/** Published figures beside ours: how far each is off, and what it is worth. */
export function publishedFigure(figures: readonly ComparedFigure[], about: PublishedAbout): ReportFigure {
  const isApart = figures.length <= MOST_ROWS;
  return {
    id: about.id,
    title: 'Published figures and ours',
    sentence: `How far ours is off each published figure${
      isApart ? '' : ', those of a kind in a row'
    }: circles were predicted, squares were used to find a parameter; shares of the CPU in points, all else in percent of the figure.`,
    plot: bothWidths((width) => errorPlot(figures, isApart, width)),
    table: {
      heads: ['figure', 'published', 'sure', 'ours', 'least', 'most', 'error', 'role', 'source'],
      rows: figures.map((figure) => [
        comparisonName(figure),
        `${figure.value} ${figure.unit}`,
        `[${figure.certainty}]`,
        short(figure.ours),
        short(figure.ours_range[0]),
        short(figure.ours_range[1]),
        figure.error === undefined ? '-' : errorText(figure),
        figure.role,
        figure.source,
      ]),
    },
    repeat: about.repeat,
    parameters: about.parameters,
  };
}

/**
 * Of the predicted figures, how far off: a sentence for the head of a report. A figure that stands beside several
 * candidates is one figure; each of its comparisons has an error.
 */
export function publishedSentence(figures: readonly ComparedFigure[]): string {
  const predicted = figures.filter(({ role }) => role === 'predicted');
  const errors = predicted.flatMap(({ error }) => (error === undefined ? [] : [Math.abs(error)]));
  if (errors.length === 0) return '';
  const published = new Set(predicted.map(({ name }) => name)).size;
  const within = errors.filter((error) => error <= 0.1).length;
  const comparisons = errors.length === published ? '' : `${errors.length} comparisons with `;
  return `Of ${comparisons}${published} published figure${published === 1 ? '' : 's'} that ${published === 1 ? 'was' : 'were'} predicted, ${within} ${within === 1 ? 'is' : 'are'} off by at most 10 % (shares of the CPU: points); the median is off by ${(medianOf(errors) * 100).toFixed(1)} % or points.`;
}

/** The middle of an odd count, the mean of the two about the middle of an even one. */
function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((one, other) => one - other);
  const upper = Math.floor(sorted.length / 2);
  return mean(sorted.slice(sorted.length % 2 === 0 ? upper - 1 : upper, upper + 1));
}

function errorPlot(figures: readonly ComparedFigure[], isApart: boolean, width: PlotWidth): Plot {
  const shown = figures.filter(({ error }) => error !== undefined);
  const roles = ROLES.filter((role) => shown.some((figure) => figure.role === role));
  const kindOf = ({ unit, role }: ComparedFigure) => `${KINDS[unit] ?? unit}, ${role}`;
  const nameOf = (figure: ComparedFigure) => (isApart ? comparisonName(figure) : kindOf(figure));
  const names = [...new Set(shown.map(nameOf))];
  const { left } = rowLabels(names, [], width);
  // A long name stands above its row on a phone, and beside it on a page.
  const isAbove = left > Math.min(MOST_NAME_PIXELS, PLOT_PIXELS[width] * 0.45);
  const values = shown.map((figure) => ({
    name: nameOf(figure),
    role: figure.role,
    error: Number(((figure.error ?? 0) * 100).toFixed(2)),
    label: isApart ? errorText(figure) : '',
  }));
  const most = Math.max(10, ...values.map(({ error }) => Math.abs(error))) * 1.1;
  const x = {
    type: 'quantitative' as const,
    title: 'off by, % or points',
    scale: { domain: [-most, most], nice: false },
    axis: { tickCount: width === 'wide' ? 9 : 5 },
  };
  const y = {
    field: 'name',
    type: 'nominal' as const,
    sort: names,
    title: null,
    axis: isAbove ? null : { ticks: false, domain: false, labelColor: PLOT_INK.text, labelPadding: 6 },
  };
  const spec = {
    width: PLOT_PIXELS[width],
    height: { step: isAbove ? 34 : 22 },
    autosize: { type: 'fit-x', contains: 'padding' },
    layer: [
      {
        data: { values: [{ zero: 0 }] },
        mark: { type: 'rule', color: PLOT_INK.text },
        encoding: { x: { ...x, field: 'zero' } },
      },
      {
        data: { values },
        mark: { type: 'rule', strokeWidth: 1, color: PLOT_INK.rule, yOffset: isAbove ? 6 : 0 },
        encoding: { y, x: { ...x, field: 'error' }, x2: { datum: 0 } },
      },
      {
        data: { values },
        mark: { type: 'point', filled: true, size: 60, yOffset: isAbove ? 6 : 0 },
        encoding: {
          y,
          x: { ...x, field: 'error' },
          shape: {
            field: 'role',
            type: 'nominal',
            scale: { domain: roles, range: roles.map((role) => SHAPES[ROLES.indexOf(role)]) },
            legend: legendAbove(roles, width, isAbove ? 10 : left),
          },
          color: {
            field: 'role',
            type: 'nominal',
            scale: { domain: roles, range: roles.map((role) => ROLE_COLOURS[ROLES.indexOf(role)]) },
            legend: legendAbove(roles, width, isAbove ? 10 : left),
          },
        },
      },
      ...(isAbove
        ? [
            {
              data: { values: names.map((name) => ({ name, text: fitting(name, PLOT_PIXELS[width] - 8) })) },
              mark: { type: 'text', align: 'left', baseline: 'middle', yOffset: -8, color: PLOT_INK.text },
              encoding: { y, x: { value: 2 }, text: { field: 'text' } },
            },
          ]
        : []),
    ],
    config: { view: { stroke: null } },
  };
  return {
    title: 'Errors of published figures',
    description: `Points on both sides of zero. ${shown.map((figure) => `${comparisonName(figure)}: ${errorText(figure)}, ${figure.role}`).join('; ')}.`,
    spec: spec as TopLevelSpec,
  };
}

/** As much of a text as fits. */
function fitting(text: string, pixels: number): string {
  if (textWidth(text, 11) <= pixels) return text;
  let end = text.length - 1;
  while (end > 0 && textWidth(`${text.slice(0, end)}…`, 11) > pixels) end -= 1;
  return `${text.slice(0, end)}…`;
}

function errorText({ error, unit }: ComparedFigure): string {
  const text = percent(error ?? 0);
  return unit === SHARE_UNIT ? text.replace('%', 'points') : text;
}

function short(value: number): string {
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(2);
}
