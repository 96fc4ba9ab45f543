import { scaleLinear } from 'd3-scale';
import { type Axis, type Chart, lineLegend, type Mark } from '../../report/charts/chart.js';
import { dotChart } from '../../report/charts/rows.js';
import type { FigureTable, ReportFigure } from '../../report/html/figure.js';
import { idOf } from '../../report/html/markup.js';
import {
  type Metric,
  metricAxis,
  metricHead,
  metricText,
  shownValue,
  UNITS,
} from '../../report/metrics/metric.js';
import type { Spread } from '../../report/metrics/spread.js';
import type { Estimate } from '../statistics.js';
import type { Cell, MetricCells } from './cells.js';
import { type Dimension, type Layout, labelOf } from './layout.js';

const MOST_TABLE_ROWS = 300;
/** From this ratio of the largest value of a variable to its least on, an axis is logarithmic. */
const LOG_RATIO = 15;
/** So many values of a variable are labelled each. */
const MOST_OWN_TICKS = 8;
const BAND_OPACITY = 0.18;

/** A mean with its 95 % interval as the spread that charts and tables draw. */
export function spreadOf({ mean, halfWidth = 0 }: Estimate): Spread {
  return { mean, least: mean - halfWidth, most: mean + halfWidth };
}

/** A metric over a variable: a line per value of another, a panel per combination of the others. */
export function studyFigure(cells: MetricCells, { over, lines, facets }: Layout): ReportFigure {
  const { metric, name } = cells.metric;
  const by = over === undefined ? (lines?.name ?? 'the study') : over.name;
  const intervals = cells.cells.some(({ estimate }) => estimate.halfWidth !== undefined);
  const shown = over === undefined ? 'each dot' : 'each point';
  const panels = [...(cells.metric.ofGuests ? ['guest'] : []), ...facets.map((one) => one.name)];
  return {
    id: `metric-${idOf(name)}`,
    title: `${metric.title} by ${by}`,
    sentence: `${metric.sentence} ${
      intervals
        ? `Of ${shown} the mean over its seeds and the 95 % interval of that mean (Student's t).`
        : 'One seed each, so there are no intervals.'
    }${panels.length === 0 ? '' : ` A panel per ${panels.join(' and ')}.`}`,
    chart: over === undefined ? rowsChart(cells, lines) : linesChart(cells, over, lines),
    table: tableOf(cells, over, lines),
  };
}

function linesChart({ metric, panels, lines, cells }: MetricCells, over: Dimension, by?: Dimension): Chart {
  const scaled = axisOf(over, cells);
  const legend = lineLegend(lines);
  return {
    title: `${metric.metric.title} over ${over.name}`,
    description: describe(metric.metric, cells, over),
    x: scaled.axis,
    y: { title: metricAxis(metric.metric) },
    ...(by === undefined ? {} : { legend }),
    panels: panels.map((panel) => ({
      ...(panel === '' ? {} : { title: panel }),
      marks: lines.flatMap((line, at): Mark[] => {
        const { style = 1, dash = 0 } = legend[at] ?? {};
        const own = cells
          .filter((cell) => cell.panel === panel && cell.line === line)
          .flatMap((cell) => {
            const value = shown(metric.metric, cell);
            return value === undefined ? [] : [{ x: scaled.of(cell.over ?? 0), value }];
          })
          .toSorted((one, other) => one.x - other.x);
        return [
          {
            kind: 'band',
            points: own.map(({ x, value: { least, most } }) => [x, least, most] as const),
            style,
            opacity: BAND_OPACITY,
          },
          { kind: 'line', points: own.map(({ x, value: { mean } }) => [x, mean] as const), style, dash },
          ...own.map(({ x, value: { mean } }): Mark => ({ kind: 'point', x, y: mean, style })),
        ];
      }),
    })),
  };
}

function rowsChart({ metric, panels, lines, cells }: MetricCells, by?: Dimension): Chart {
  // With nothing to tell lines apart the panels themselves are the rows.
  const isByPanel = by === undefined;
  return dotChart({
    title: `${metric.metric.title} by ${by?.name ?? 'combination'}`,
    description: describe(metric.metric, cells),
    ...(isByPanel || (panels.length === 1 && panels[0] === '') ? {} : { panels }),
    names: isByPanel ? panels.map(rowName) : lines,
    axis: { title: metricAxis(metric.metric) },
    rows: cells.flatMap(({ panel, line, estimate }) => {
      const spread = shownValue(metric.metric, spreadOf(estimate));
      if (spread === undefined) return [];
      const row = { name: isByPanel ? rowName(panel) : line, label: '', ...spread };
      return [isByPanel || panel === '' ? row : { ...row, panel }];
    }),
  });
}

function rowName(panel: string): string {
  return panel === '' ? 'all runs' : panel;
}

function shown(metric: Metric<Spread>, { estimate }: Cell): Spread | undefined {
  return shownValue(metric, spreadOf(estimate));
}

/** The axis of a variable, in the unit in which such values are shown. */
function axisOf(
  { name, unit, values }: Dimension,
  cells: readonly Cell[],
): { readonly axis: Axis; readonly of: (value: number) => number } {
  const { unit: shownUnit, divisor } = UNITS[unit] ?? { unit, divisor: 1 };
  const of = (value: number) => value / divisor;
  const numbers = values.map((value) => of(Number(value))).sort((one, other) => one - other);
  const present = cells.map(({ over = 0 }) => of(over));
  const [least, most] = [Math.min(...present), Math.max(...present)];
  const isLog = least > 0 && most / least >= LOG_RATIO;
  const title = shownUnit === '' ? name : `${name}, ${shownUnit}`;
  if (isLog)
    return {
      axis: { title, scale: 'log', ...(numbers.length <= MOST_OWN_TICKS ? { ticks: numbers } : {}) },
      of,
    };
  const margin = (most - least) * 0.03 || 1;
  const domain = [least - margin, most + margin] as const;
  return { axis: { title, domain, ...wholeTicks(numbers, domain) }, of };
}

/** Ticks of a variable of whole numbers, which has nothing between them. */
function wholeTicks(
  numbers: readonly number[],
  domain: readonly [number, number],
): { readonly ticks?: readonly number[] } {
  if (!numbers.every(Number.isInteger)) return {};
  if (numbers.length <= MOST_OWN_TICKS) return { ticks: numbers };
  return { ticks: scaleLinear(domain, [0, 1]).ticks(MOST_OWN_TICKS).filter(Number.isInteger) };
}

function describe(metric: Metric<Spread>, cells: readonly Cell[], over?: Dimension): string {
  const means = cells.flatMap((cell) => {
    const value = shown(metric, cell)?.mean;
    return value === undefined ? [] : [{ value, cell }];
  });
  const [least] = means.toSorted((one, other) => one.value - other.value);
  const most = means.toSorted((one, other) => one.value - other.value).at(-1);
  if (least === undefined || most === undefined) return 'No run has a value.';
  const text = ({ cell }: { readonly cell: Cell }) =>
    `${metricText(metric, spreadOf(cell.estimate))}${nameOf(cell, over)}`;
  return `${metricHead(metric)}. The least mean is ${text(least)}, the largest ${text(most)}.`;
}

function nameOf({ line, panel, over: at }: Cell, over: Dimension | undefined): string {
  const parts = [line, panel, over === undefined ? '' : `at ${over.name} ${labelOf(over, at)}`].filter(
    (part) => part !== '',
  );
  return parts.length === 0 ? '' : ` (${parts.join(', ')})`;
}

function tableOf(
  { metric, panels, cells }: MetricCells,
  over: Dimension | undefined,
  lines: Dimension | undefined,
): FigureTable {
  const hasPanels = panels.some((panel) => panel !== '');
  const named = (unit: string) => (unit === '' ? '' : `, ${unit}`);
  return {
    heads: [
      ...(lines === undefined ? [] : [lines.name]),
      ...(hasPanels ? ['panel'] : []),
      ...(over === undefined ? [] : [`${over.name}${named(over.unit)}`]),
      `${metricHead(metric.metric)}: mean (95 % interval)`,
      'coefficient of variation, %',
      'seeds',
    ],
    rows: cells
      .slice(0, MOST_TABLE_ROWS)
      .map(({ line, panel, over: at, estimate }) => [
        ...(lines === undefined ? [] : [line]),
        ...(hasPanels ? [panel] : []),
        ...(over === undefined ? [] : [`${at}`]),
        metricText(metric.metric, spreadOf(estimate)),
        estimate.coefficientOfVariation === undefined
          ? '-'
          : (estimate.coefficientOfVariation * 100).toFixed(2),
        `${estimate.count}`,
      ]),
  };
}
