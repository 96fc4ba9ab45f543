import type { TopLevelSpec } from 'vega-lite';
import type { LatencyPoint } from '../../machine/latency.js';
import type { ReportFigure } from '../html/figure.js';
import { microseconds } from '../number-text.js';
import { PLOT_COLOURS, PLOT_DASHES, type Plot } from '../plot.js';
import { legendAbove, panelGrid, panelsOf } from '../plots/panels.js';
import { bothWidths, type PlotWidth } from '../plots/width.js';
import type { ComparedRuns } from './compared-runs.js';

/** Axis of percentiles: 1 / (1 - p), so that each nine takes as much room as the one before. */
const MOST_NINES = 10_000;
const NINES: Readonly<Record<PlotWidth, readonly number[]>> = {
  wide: [1, 10, 100, MOST_NINES],
  narrow: [1, 100, MOST_NINES],
};
const NINES_TEXT = "datum.value == 1 ? '0' : datum.value == 10 ? '90' : datum.value == 100 ? '99' : '99.99'";
const DECADES_US = [0.1, 1, 10, 100, 1_000, 10_000, 100_000, 1_000_000];
const DIRECTIONS = ['out', 'in'] as const;
const TABLE_PERCENTS = [1, 10, 50, 90, 95, 99, 99.9, 99.99, 100];

/** Distribution of latency both ways, a panel an approach; undefined when there was no frame at all. */
export function latencyFigure(compared: ComparedRuns): ReportFigure | undefined {
  const { runs, repeat, parameters } = compared;
  const curves = runs.flatMap(({ protection, latencyCurves }) => [
    { protection, direction: 'out', points: latencyCurves.transmit },
    { protection, direction: 'in', points: latencyCurves.receive },
  ]);
  const filled = curves.filter(({ points }) => points.length > 0);
  if (filled.length === 0) return undefined;
  return {
    id: 'latency',
    title: 'Distribution of latency',
    sentence:
      'How long frames took at most, by percentile: out, from the guest’s store to the last bit on the wire, with the time in its ring; in, from the last bit on the wire to the frame in memory.',
    plot: bothWidths((width) => latencyPlot(compared, filled, width)),
    table: {
      heads: [
        'approach',
        'way',
        ...TABLE_PERCENTS.map((percent) => (percent === 100 ? 'longest, us' : `p${percent}, us`)),
      ],
      rows: filled.map(({ protection, direction, points }) => [
        protection,
        direction,
        ...TABLE_PERCENTS.map((percent) =>
          microseconds(points.find((point) => point.percent === percent)?.ns),
        ),
      ]),
    },
    repeat,
    parameters: [
      ...parameters,
      { name: 'precision', value: 'three digits (HDR histogram); percentiles end at the longest value' },
    ],
  };
}

interface Curve {
  readonly protection: string;
  readonly direction: string;
  readonly points: readonly LatencyPoint[];
}

function latencyPlot({ runs }: ComparedRuns, curves: readonly Curve[], width: PlotWidth): Plot {
  const order = runs.map(({ protection }) => protection);
  const grid = panelGrid(order.length, width);
  const values = curves.flatMap(({ protection, direction, points }) =>
    points
      .filter(({ percent, ns }) => percent < 100 && ns > 0)
      .map(({ percent, ns }) => ({
        protection,
        direction,
        nines: Number((1 / (1 - percent / 100)).toPrecision(5)),
        us: ns / 1000,
      })),
  );
  const spec = {
    data: { values },
    ...panelsOf('protection', order, grid),
    spec: {
      width: grid.width,
      height: grid.height,
      mark: { type: 'line', strokeWidth: 1.8 },
      encoding: {
        x: {
          field: 'nines',
          type: 'quantitative',
          title: 'percentile',
          scale: { type: 'log', domain: [1, MOST_NINES] },
          axis: { values: [...NINES[width]], labelExpr: NINES_TEXT, grid: true, labelOverlap: false },
        },
        y: {
          field: 'us',
          type: 'quantitative',
          title: 'latency, us',
          scale: { type: 'log' },
          axis: { values: DECADES_US, format: ',~g' },
        },
        color: {
          field: 'direction',
          type: 'nominal',
          scale: { domain: DIRECTIONS, range: PLOT_COLOURS.slice(0, 2) },
          legend: legendAbove(DIRECTIONS, width),
        },
        strokeDash: {
          field: 'direction',
          type: 'nominal',
          scale: { domain: DIRECTIONS, range: PLOT_DASHES.slice(0, 2) },
          legend: legendAbove(DIRECTIONS, width),
        },
      },
    },
  };
  return {
    title: 'Latency by percentile, a panel an approach',
    description: `Lines on logarithmic axes, out solid and in dashed. Out, median and 99.9th percentile: ${runs
      .filter(({ latencyNs }) => latencyNs.transmit !== undefined)
      .map(
        ({ protection, latencyNs }) =>
          `${protection} ${microseconds(latencyNs.transmit?.p50Ns)} and ${microseconds(latencyNs.transmit?.p999Ns)} us`,
      )
      .join(', ')}.`,
    spec: spec as TopLevelSpec,
  };
}
