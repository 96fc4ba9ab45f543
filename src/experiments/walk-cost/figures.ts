import type { TopLevelSpec } from 'vega-lite';
import type { FigureParameter, ReportFigure } from '../../report/html/figure.js';
import { PLOT_COLOURS, PLOT_DASHES, PLOT_INK, type Plot } from '../../report/plot.js';
import { legendAbove } from '../../report/plots/panels.js';
import { bothWidths, PLOT_PIXELS, type PlotWidth } from '../../report/plots/width.js';
import { publishedFigure } from '../published-plot.js';
import { percent } from '../reference-figure.js';
import { modelBps, PAGE_NS, TABLE_READ_NS, TOLERANCE } from './published.js';
import { STRATEGIES, type WalkCostResult, type WalkPoint } from './reproduce.js';

const SHAPES = ['circle', 'square'];
/** The line is drawn through so many points a table read. */
const STEPS_A_READ = 10;

/** Points beside the line, what contiguous addresses restore, and the published figures. */
export function walkCostFigures(result: WalkCostResult, repeat: string): ReportFigure[] {
  const parameters = parametersOf(result);
  return [
    lineFigure(result.points, repeat, parameters),
    restoredFigure(result.points, repeat, parameters),
    publishedFigure(result.figures, { id: 'walk-cost-published', repeat, parameters }),
  ];
}

/** What came of it, in a sentence. */
export function walkCostAnswer({ points }: WalkCostResult): string {
  const bound = points.filter(({ error }) => error !== undefined);
  const near = bound.filter(({ error }) => Math.abs(error ?? 0) <= TOLERANCE).length;
  const least = Math.min(
    ...points.filter(({ strategy }) => strategy === 'contiguous').map((point) => point.share_of_off),
  );
  return (
    `${near} of ${bound.length} points that the page walker limits lie within ${TOLERANCE * 100} % of the line for their own table reads; ` +
    `with contiguous addresses no point is below ${(least * 100).toFixed(0)} % of the rate without an IOMMU.`
  );
}

function lineFigure(
  points: readonly WalkPoint[],
  repeat: string,
  parameters: readonly FigureParameter[],
): ReportFigure {
  return {
    id: 'walk-cost-line',
    title: 'Throughput against table reads a page',
    sentence: `Each point is a place of the sweep at its own table reads a page; the line is p / (${PAGE_NS} ns + M x ${TABLE_READ_NS} ns), the band around it ${TOLERANCE * 100} % to both sides, and hollow points are limited by the wire, of which the line does not speak.`,
    plot: bothWidths((width) => linePlot(points, width)),
    table: {
      heads: [
        'strategy',
        'flows',
        'ring',
        'IOTLB',
        'M',
        'Gb/s',
        'least',
        'most',
        'line, Gb/s',
        'error',
        'limit',
      ],
      rows: points.map((point) => [
        point.strategy,
        `${point.flows}`,
        `${point.ring_slots}`,
        `${point.iotlb_entries}`,
        point.reads_per_page.toFixed(3),
        point.emulated_gbps.toFixed(2),
        point.emulated_range[0].toFixed(2),
        point.emulated_range[1].toFixed(2),
        point.model_gbps.toFixed(2),
        point.error === undefined ? '-' : percent(point.error),
        point.bound_by,
      ]),
    },
    repeat,
    parameters,
  };
}

function linePlot(points: readonly WalkPoint[], width: PlotWidth): Plot {
  const mostReads = Math.ceil(Math.max(...points.map(({ reads_per_page }) => reads_per_page)) + 0.2);
  const mostGbps =
    Math.ceil(Math.max(...points.map(({ emulated_range }) => emulated_range[1])) / 10) * 10 + 10;
  const line = Array.from({ length: mostReads * STEPS_A_READ + 1 }, (_, step) => {
    const reads = step / STEPS_A_READ;
    const gbps = modelBps(reads) / 1e9;
    return {
      reads,
      gbps: Number(gbps.toFixed(3)),
      low: Number((gbps * (1 - TOLERANCE)).toFixed(3)),
      high: Number((gbps * (1 + TOLERANCE)).toFixed(3)),
    };
  }).filter(({ high }) => high <= mostGbps);
  const values = points.map((point) => ({
    strategy: point.strategy,
    reads: point.reads_per_page,
    gbps: point.emulated_gbps,
    least: point.emulated_range[0],
    most: point.emulated_range[1],
  }));
  const isBound = points.map(({ bound_by }) => bound_by === 'walker');
  const x = {
    field: 'reads',
    type: 'quantitative' as const,
    title: 'table reads a page (M)',
    scale: { domain: [0, mostReads], nice: false },
    axis: { tickCount: width === 'wide' ? 10 : 5 },
  };
  const y = { type: 'quantitative' as const, title: 'Gb/s', scale: { domain: [0, mostGbps], nice: false } };
  const strategy = { field: 'strategy', type: 'nominal' as const };
  const legend = legendAbove(STRATEGIES, width);
  const colour = {
    ...strategy,
    scale: { domain: STRATEGIES, range: [PLOT_COLOURS[3], PLOT_COLOURS[0]] },
    legend,
  };
  const shape = { ...strategy, scale: { domain: STRATEGIES, range: SHAPES }, legend };
  const spec = {
    width: PLOT_PIXELS[width],
    height: width === 'wide' ? 340 : 260,
    autosize: { type: 'fit-x', contains: 'padding' },
    layer: [
      {
        data: { values: line },
        mark: { type: 'area', color: PLOT_INK.grid },
        encoding: { x, y: { ...y, field: 'low' }, y2: { field: 'high' } },
      },
      {
        data: { values: line },
        mark: { type: 'line', color: PLOT_INK.text, strokeWidth: 1.3 },
        encoding: { x, y: { ...y, field: 'gbps' } },
      },
      {
        data: { values },
        mark: { type: 'rule', strokeWidth: 1.5 },
        encoding: { x, y: { ...y, field: 'least' }, y2: { field: 'most' }, color: colour },
      },
      {
        data: { values: values.filter((_, index) => isBound[index]) },
        mark: { type: 'point', filled: true, size: 70 },
        encoding: { x, y: { ...y, field: 'gbps' }, color: colour, shape },
      },
      {
        data: { values: values.filter((_, index) => !isBound[index]) },
        mark: { type: 'point', size: 70, strokeWidth: 1.8 },
        encoding: { x, y: { ...y, field: 'gbps' }, color: colour, shape },
      },
    ],
  };
  return {
    title: 'Throughput against table reads a page',
    description: `A falling curve with a band of ${TOLERANCE * 100} %, and ${points.length} points: ${points
      .map(
        (point) =>
          `${point.strategy}, ${point.flows} flows: M ${point.reads_per_page.toFixed(2)}, ${point.emulated_gbps.toFixed(1)} Gb/s`,
      )
      .join('; ')}.`,
    spec: spec as TopLevelSpec,
  };
}

function restoredFigure(
  points: readonly WalkPoint[],
  repeat: string,
  parameters: readonly FigureParameter[],
): ReportFigure {
  const [first] = points;
  const swept = points.filter(
    (point) => point.ring_slots === first?.ring_slots && point.iotlb_entries === first.iotlb_entries,
  );
  return {
    id: 'walk-cost-restored',
    title: 'What contiguous addresses restore',
    sentence: `Of the rate without an IOMMU, what is left with it, by flows, at rings of ${first?.ring_slots ?? 0} slots: single-use loses, contiguous addresses give back.`,
    plot: bothWidths((width) => restoredPlot(swept, width)),
    table: {
      heads: ['flows', ...STRATEGIES.flatMap((strategy) => [`${strategy}, %`, `${strategy}, walks a page`])],
      rows: [...new Set(swept.map(({ flows }) => flows))].map((flows) => [
        `${flows}`,
        ...STRATEGIES.flatMap((strategy) => {
          const point = swept.find((one) => one.flows === flows && one.strategy === strategy);
          if (point === undefined) return ['-', '-'];
          return [(point.share_of_off * 100).toFixed(1), point.walks_per_page.toFixed(2)];
        }),
      ]),
    },
    repeat,
    parameters,
  };
}

function restoredPlot(points: readonly WalkPoint[], width: PlotWidth): Plot {
  const legend = legendAbove(STRATEGIES, width);
  const strategy = { field: 'strategy', type: 'nominal' as const };
  const values = points.map((point) => ({
    strategy: point.strategy,
    flows: point.flows,
    percent: Number((point.share_of_off * 100).toFixed(2)),
  }));
  const spec = {
    width: PLOT_PIXELS[width],
    height: width === 'wide' ? 260 : 220,
    autosize: { type: 'fit-x', contains: 'padding' },
    data: { values },
    encoding: {
      x: {
        field: 'flows',
        type: 'quantitative',
        title: 'flows',
        axis: { values: [...new Set(values.map(({ flows }) => flows))] },
      },
      y: {
        field: 'percent',
        type: 'quantitative',
        title: '% of the rate without IOMMU',
        scale: { domain: [0, 105], nice: false },
      },
      color: {
        ...strategy,
        scale: { domain: STRATEGIES, range: [PLOT_COLOURS[3], PLOT_COLOURS[0]] },
        legend,
      },
    },
    layer: [
      {
        mark: { type: 'line', strokeWidth: 2 },
        encoding: {
          strokeDash: {
            ...strategy,
            scale: { domain: STRATEGIES, range: PLOT_DASHES.slice(0, 2) },
            legend: null,
          },
        },
      },
      {
        mark: { type: 'point', filled: true, size: 60 },
        encoding: { shape: { ...strategy, scale: { domain: STRATEGIES, range: SHAPES }, legend } },
      },
    ],
  };
  return {
    title: 'Rate that is left with an IOMMU, by flows',
    description: points
      .map((point) => `${point.strategy}, ${point.flows} flows: ${(point.share_of_off * 100).toFixed(0)} %`)
      .join('; '),
    spec: spec as TopLevelSpec,
  };
}

function parametersOf(result: WalkCostResult): FigureParameter[] {
  return [
    { name: 'frames', value: '4 KB, received at 100 Gb/s' },
    { name: 'walkers', value: `one; ${PAGE_NS} ns a walk, ${TABLE_READ_NS} ns a table read (given)` },
    { name: 'seeds', value: `${result.seeds}: means, with least and most` },
    { name: 'warm-up', value: `${result.warm_up_ns / 1e6} ms, not looked at` },
    { name: 'window', value: `${result.window_ns / 1e6} ms` },
    { name: 'CPU and invalidation', value: 'take no time here: only table reads may limit' },
    { name: 'seed', value: `${result.seed}` },
  ];
}
