import type { TopLevelSpec } from 'vega-lite';
import type { FigureParameter, ReportFigure } from '../../report/html/figure.js';
import { idOf } from '../../report/html/markup.js';
import { PLOT_COLOURS, PLOT_DASHES, PLOT_INK, type Plot } from '../../report/plot.js';
import { legendAbove, panelGrid, panelsOf } from '../../report/plots/panels.js';
import { bothWidths, PLOT_PIXELS, type PlotWidth } from '../../report/plots/width.js';
import type { ErrorSummary, IommuHardwareResult, PointResult } from './reproduce.js';

/** Bands around agreement: what is aimed at for the median, and for the 95th percentile. */
const MEDIAN_AIM = 0.015;
const P95_AIM = 0.06;
const OPERATIONS = ['read', 'write'] as const;
const SHAPES = ['circle', 'triangle-up'];
const BAND_STEPS = 60;
const RATE_TICKS = [1, 2, 5, 10, 15, 20, 30, 40, 50, 70, 100, 200];

/** Emulated against measured with its bands, and rates over windows, of one machine. */
export function iommuHardwareFigures(result: IommuHardwareResult, repeat: string): ReportFigure[] {
  const on = result.points.filter(({ iommu }) => iommu === 'on');
  const about = { machine: result.machine, repeat, parameters: parametersOf(result) };
  return [agreementFigure(on, result, about), windowsFigure(on, about)];
}

/** What came of it, in a sentence. */
export function iommuHardwareAnswer({ machine, bandwidth, latency }: IommuHardwareResult): string {
  return `With the IOMMU on, emulated rates of ${machine} are off the measured ones by ${percents(bandwidth)} (${bandwidth.rows} rows, to none of which a parameter was fitted); the latency of single reads, to which IOTLB and walk were fitted, by ${percents(latency)} (${latency.rows} windows).`;
}

function percents({ medianError, p95Error, maxError }: ErrorSummary): string {
  const text = (fraction: number) => `${(fraction * 100).toFixed(1)} %`;
  return `${text(medianError)} in the median, ${text(p95Error)} at the 95th percentile and ${text(maxError)} at most`;
}

interface About {
  readonly machine: string;
  readonly repeat: string;
  readonly parameters: readonly FigureParameter[];
}

function agreementFigure(
  points: readonly PointResult[],
  { bandwidth }: IommuHardwareResult,
  { machine, repeat, parameters }: About,
): ReportFigure {
  return {
    id: `iommu-hardware-${idOf(machine)}-agreement`,
    title: `${machine}: emulated against measured`,
    sentence: `Each point is a row of the measurements with the IOMMU on: on the line both agree, the inner band is ${MEDIAN_AIM * 100} % and the outer ${P95_AIM * 100} % to both sides. No parameter was fitted to these rows.`,
    plot: bothWidths((width) => agreementPlot(points, bandwidth, width)),
    table: {
      heads: ['operation', 'bytes', 'cache', 'window', 'measured, M/s', 'emulated, M/s', 'error, %'],
      rows: points.map((point) => [
        point.op,
        `${point.size_bytes}`,
        point.cache,
        windowText(point.window_bytes),
        millions(point.measured_tps).toFixed(3),
        millions(point.emulated_tps).toFixed(3),
        (point.error * 100).toFixed(2),
      ]),
    },
    repeat,
    parameters,
  };
}

function agreementPlot(points: readonly PointResult[], summary: ErrorSummary, width: PlotWidth): Plot {
  const rates = points.flatMap(({ measured_tps, emulated_tps }) => [
    millions(measured_tps),
    millions(emulated_tps),
  ]);
  const [least, most] = [Math.min(...rates) * 0.93, Math.max(...rates) * 1.07];
  const domain = [least, most];
  const ticks = RATE_TICKS.filter((rate) => rate >= least && rate <= most);
  // The bands are cut off at the edge of the plot, so they are drawn in small steps.
  const ends = Array.from({ length: BAND_STEPS + 1 }, (_, step) => {
    const rate = least * (most / least) ** (step / BAND_STEPS);
    return {
      rate,
      low: rate * (1 - MEDIAN_AIM),
      high: rate * (1 + MEDIAN_AIM),
      lower: rate * (1 - P95_AIM),
      higher: rate * (1 + P95_AIM),
    };
  });
  const scale = { type: 'log' as const, domain, nice: false, clamp: true };
  const x = {
    type: 'quantitative' as const,
    title: 'measured, million transactions a second',
    scale,
    axis: { values: ticks },
  };
  const y = {
    type: 'quantitative' as const,
    title: 'emulated, million a second',
    scale,
    axis: { values: ticks },
  };
  const legend = legendAbove(OPERATIONS, width);
  const colour = {
    field: 'op',
    type: 'nominal' as const,
    scale: { domain: OPERATIONS, range: [PLOT_COLOURS[0], PLOT_COLOURS[3]] },
    legend,
  };
  const shape = {
    field: 'op',
    type: 'nominal' as const,
    scale: { domain: OPERATIONS, range: SHAPES },
    legend,
  };
  const marks = {
    data: {
      values: points.map(({ op, measured_tps, emulated_tps }) => ({
        op,
        measured: millions(measured_tps),
        emulated: millions(emulated_tps),
      })),
    },
    mark: { type: 'point', filled: true, size: width === 'wide' ? 34 : 22, strokeWidth: 1.3 },
    encoding: { x: { ...x, field: 'measured' }, y: { ...y, field: 'emulated' }, color: colour, shape },
  };
  const spec = {
    width: PLOT_PIXELS[width],
    height: width === 'wide' ? 460 : 320,
    autosize: { type: 'fit-x', contains: 'padding' },
    layer: [
      {
        data: { values: ends },
        mark: { type: 'area', color: PLOT_INK.grid, opacity: 0.55 },
        encoding: { x: { ...x, field: 'rate' }, y: { ...y, field: 'lower' }, y2: { field: 'higher' } },
      },
      {
        data: { values: ends },
        mark: { type: 'area', color: PLOT_INK.grid },
        encoding: { x: { ...x, field: 'rate' }, y: { ...y, field: 'low' }, y2: { field: 'high' } },
      },
      {
        data: { values: ends },
        mark: { type: 'line', color: PLOT_INK.rule, strokeWidth: 1 },
        encoding: { x: { ...x, field: 'rate' }, y: { ...y, field: 'rate' } },
      },
      marks,
    ],
  };
  return {
    title: 'Emulated against measured rates',
    description: `${points.length} points about a diagonal on logarithmic axes, with bands of ${MEDIAN_AIM * 100} and ${P95_AIM * 100} %. Absolute error: median ${(summary.medianError * 100).toFixed(1)} %, 95th percentile ${(summary.p95Error * 100).toFixed(1)} %, largest ${(summary.maxError * 100).toFixed(1)} %.`,
    spec: spec as TopLevelSpec,
  };
}

function windowsFigure(points: readonly PointResult[], { machine, repeat, parameters }: About): ReportFigure {
  const [first] = points;
  const cache = first?.cache ?? '';
  const shown = points.filter((point) => point.cache === cache);
  return {
    id: `iommu-hardware-${idOf(machine)}-windows`,
    title: `${machine}: rates over windows of memory`,
    sentence: `Marks are measured, lines emulated (cache ${cache}, IOMMU on): while the pages of a window fit the IOTLB nothing is lost, beyond it each transaction waits for a walk, and small ones suffer most.`,
    plot: bothWidths((width) => windowsPlot(shown, width)),
    table: {
      heads: ['operation', 'bytes', 'window', 'measured, M/s', 'emulated, M/s'],
      rows: shown.map((point) => [
        point.op,
        `${point.size_bytes}`,
        windowText(point.window_bytes),
        millions(point.measured_tps).toFixed(3),
        millions(point.emulated_tps).toFixed(3),
      ]),
    },
    repeat,
    parameters,
  };
}

function windowsPlot(points: readonly PointResult[], width: PlotWidth): Plot {
  const sizes = [...new Set(points.map(({ size_bytes }) => size_bytes))].sort((one, other) => one - other);
  const panels = sizes.map((size) => `${size} B`);
  const grid = panelGrid(panels.length, width);
  const legend = legendAbove(OPERATIONS, width);
  const op = { field: 'op', type: 'nominal' as const };
  const values = points.map((point) => ({
    panel: `${point.size_bytes} B`,
    op: point.op,
    kilobytes: point.window_bytes / 1024,
    measured: millions(point.measured_tps),
    emulated: millions(point.emulated_tps),
  }));
  const spec = {
    data: { values },
    ...panelsOf('panel', panels, grid),
    spec: {
      width: grid.width,
      height: Math.round(grid.height * 1.4),
      encoding: {
        x: {
          field: 'kilobytes',
          type: 'quantitative',
          title: 'window',
          scale: { type: 'log', base: 2 },
          axis: {
            values: [4, 64, 1024, 16_384],
            labelExpr: "datum.value >= 1024 ? datum.value / 1024 + ' MB' : datum.value + ' KB'",
            labelOverlap: true,
          },
        },
        color: { ...op, scale: { domain: OPERATIONS, range: [PLOT_COLOURS[0], PLOT_COLOURS[3]] }, legend },
      },
      layer: [
        {
          mark: { type: 'line', strokeWidth: 1.6 },
          encoding: {
            y: { field: 'emulated', type: 'quantitative', title: 'million a second' },
            strokeDash: {
              ...op,
              scale: { domain: OPERATIONS, range: PLOT_DASHES.slice(0, 2) },
              legend: null,
            },
          },
        },
        {
          mark: { type: 'point', filled: true, size: 26 },
          encoding: {
            y: { field: 'measured', type: 'quantitative' },
            shape: { ...op, scale: { domain: OPERATIONS, range: SHAPES }, legend },
          },
        },
      ],
    },
  };
  return {
    title: 'Rates over windows, a panel a size',
    description: `Marks (measured) on lines (emulated) that stay level and then fall once the window is larger than the IOTLB covers; panels for ${panels.join(', ')}.`,
    spec: spec as TopLevelSpec,
  };
}

function parametersOf(result: IommuHardwareResult): FigureParameter[] {
  const { parameters } = result;
  return [
    { name: 'measurements', value: result.origin },
    { name: 'machine', value: result.machine },
    { name: 'pages', value: result.pages },
    {
      name: parameters.unit === 'latency' ? 'fitted to latency' : 'the default unit',
      value: `${parameters.iotlb_entries} IOTLB entries, walks of ${parameters.walk_ns} ns`,
    },
    {
      name: 'the same for every machine',
      value: `${parameters.walkers} walkers, starts ${parameters.read_walk_interval_ns} ns (reads) or ${parameters.write_walk_interval_ns} ns (writes) apart, ${parameters.spare_reads} spare reads, ${parameters.writes_in_flight} writes in flight`,
    },
    {
      name: 'from the rows without IOMMU',
      value: 'rates of engine, link and memory, and the latency of a read',
    },
    { name: 'seed', value: `${result.seed}` },
  ];
}

function millions(tps: number): number {
  return Number((tps / 1e6).toPrecision(6));
}

function windowText(bytes: number): string {
  return bytes >= 2 ** 20 ? `${bytes / 2 ** 20} MB` : `${bytes / 2 ** 10} KB`;
}
