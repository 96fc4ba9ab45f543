import type { Chart, LegendEntry, Mark } from '../../report/charts/chart.js';
import type { FigureParameter, ReportFigure } from '../../report/html/figure.js';
import { idOf } from '../../report/html/markup.js';
import { plainTable } from '../../report/plain-table.js';
import { CHOSEN_ON } from './machine.js';
import type { ErrorSummary, IommuHardwareResult, LatencyResult, PointResult } from './reproduce.js';

/** Bands around agreement: what is aimed at for the median, and for the 95th percentile. */
const MEDIAN_AIM = 0.015;
const P95_AIM = 0.06;
const OPERATIONS = ['read', 'write'] as const;
const SIGNS = { read: { style: 1, shape: 'circle' }, write: { style: 4, shape: 'triangle' } } as const;
const LEGEND: readonly LegendEntry[] = OPERATIONS.map((text) => ({
  text,
  style: SIGNS[text].style,
  as: SIGNS[text].shape,
}));
const BAND_STEPS = 60;
const WINDOW_AXIS: Chart['x'] = {
  title: 'window',
  scale: 'log',
  ticks: [4, 64, 1024, 16_384],
  label: (kilobytes) => windowText(kilobytes * 1024),
  grid: false,
};

/** Emulated against measured with its bands, and rates over windows, of one machine. */
export function iommuHardwareFigures(result: IommuHardwareResult): ReportFigure[] {
  const on = result.points.filter(({ iommu }) => iommu === 'on');
  const parameters = parametersOf(result);
  return [
    { ...agreementFigure(on, result), parameters },
    { ...windowsFigure(on, result.machine), parameters },
    ...(result.latencies.length === 0 ? [] : [{ ...latencyFigure(result), parameters }]),
  ];
}

/** The result in a sentence. */
export function iommuHardwareAnswer({
  machine,
  parameters,
  bandwidth,
  latency,
}: IommuHardwareResult): string {
  const rates = `With the IOMMU on, emulated rates of ${machine} are off the measured ones by ${percents(bandwidth)} (${bandwidth.rows} rows; no parameter of the machine was fitted to them, ${constantsText(machine)})`;
  if (latency === null) return `${rates}. No latency of single reads with these pages was given.`;
  const fitted = parameters.unit === 'latency' ? ', to which IOTLB and walk were fitted,' : '';
  return `${rates}; the latency of single reads${fitted} by ${percents(latency)} (${latency.rows} windows).`;
}

/** Whether the constants of card and unit have seen a machine's rates. */
function constantsText(machine: string): string {
  return CHOSEN_ON.includes(machine)
    ? 'but five constants of card and unit were chosen with them in view'
    : `and five constants of card and unit were chosen on ${CHOSEN_ON.join(' and ')}`;
}

function percents({ medianError, p95Error, maxError }: ErrorSummary): string {
  const text = (fraction: number) => `${(fraction * 100).toFixed(1)} %`;
  return `${text(medianError)} in the median, ${text(p95Error)} at the 95th percentile and ${text(maxError)} at most`;
}

function agreementFigure(
  points: readonly PointResult[],
  { machine, bandwidth }: IommuHardwareResult,
): ReportFigure {
  return {
    id: `iommu-hardware-${idOf(machine)}-agreement`,
    title: `${machine}: emulated against measured`,
    sentence: `Each point is a row of the measurements with the IOMMU on: on the line both agree, the inner band is ${MEDIAN_AIM * 100} % and the outer ${P95_AIM * 100} % to both sides. No parameter of the machine was fitted to these rows, ${constantsText(machine)}.`,
    chart: agreementChart(points, bandwidth),
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
    text: errorsText(points, machine),
  };
}

/** A table for each operation and cache state: windows down and sizes across, errors in the cells. */
function errorsText(points: readonly PointResult[], machine: string): string {
  const distinct = <T>(values: readonly T[]) => [...new Set(values)];
  const tables = OPERATIONS.flatMap((op) =>
    distinct(points.map(({ cache }) => cache)).flatMap((cache) => {
      const own = points.filter((point) => point.op === op && point.cache === cache);
      const sizes = distinct(own.map(({ size_bytes }) => size_bytes)).sort((one, other) => one - other);
      const windows = distinct(own.map(({ window_bytes }) => window_bytes)).sort((one, other) => one - other);
      const cell = (window: number, size: number) => {
        const point = own.find(
          ({ size_bytes, window_bytes }) => size_bytes === size && window_bytes === window,
        );
        return point === undefined ? '-' : cellText(point);
      };
      const columns = ['window', ...sizes.map((size) => `${size} B`)].map((head) => ({
        head,
        align: 'right' as const,
      }));
      const rows = windows.map((window) => [windowText(window), ...sizes.map((size) => cell(window, size))]);
      return own.length === 0 ? [] : [`${op}, ${cache}\n${plainTable(columns, rows)}`];
    }),
  );
  return `Cells: measured, emulated (million transactions per second), error. No parameter of the machine was fitted to these rows, ${constantsText(machine)}.\n\n${tables.join('\n\n')}`;
}

function cellText({ measured_tps, emulated_tps, error }: PointResult): string {
  const rate = (tps: number) => (tps / 1e6).toFixed(2);
  const sign = error < 0 ? '-' : '+';
  return `${rate(measured_tps)} ${rate(emulated_tps)} ${sign}${(Math.abs(error) * 100).toFixed(1)}%`;
}

function agreementChart(points: readonly PointResult[], summary: ErrorSummary): Chart {
  const rates = points.flatMap(({ measured_tps, emulated_tps }) => [
    millions(measured_tps),
    millions(emulated_tps),
  ]);
  const [least, most] = [Math.min(...rates) * 0.93, Math.max(...rates) * 1.07];
  // Bands are cut off at the edge of the plot, so they are drawn in small steps.
  const band = (aim: number) =>
    Array.from({ length: BAND_STEPS + 1 }, (_, step) => {
      const rate = least * (most / least) ** (step / BAND_STEPS);
      return [rate, Math.max(least, rate * (1 - aim)), Math.min(most, rate * (1 + aim))] as const;
    });
  return {
    title: 'Emulated against measured rates',
    description: `${points.length} points about a diagonal on logarithmic axes, with bands of ${MEDIAN_AIM * 100} and ${P95_AIM * 100} %. Absolute error: median ${(summary.medianError * 100).toFixed(1)} %, 95th percentile ${(summary.p95Error * 100).toFixed(1)} %, largest ${(summary.maxError * 100).toFixed(1)} %.`,
    x: { title: 'measured, million transactions per second', scale: 'log', domain: [least, most] },
    y: { title: 'emulated, million per second', scale: 'log', domain: [least, most] },
    height: 420,
    legend: LEGEND,
    panels: [
      {
        marks: [
          { kind: 'band', points: band(P95_AIM), style: 'grid', opacity: 0.55 },
          { kind: 'band', points: band(MEDIAN_AIM), style: 'grid' },
          { kind: 'line', points: band(0).map(([rate]) => [rate, rate]), style: 'rule', width: 1 },
          ...points.map(
            ({ op, measured_tps, emulated_tps }): Mark => ({
              kind: 'point',
              x: millions(measured_tps),
              y: millions(emulated_tps),
              ...SIGNS[op],
            }),
          ),
        ],
      },
    ],
  };
}

function windowsFigure(points: readonly PointResult[], machine: string): ReportFigure {
  const cache = points[0]?.cache ?? '';
  const shown = points.filter((point) => point.cache === cache);
  return {
    id: `iommu-hardware-${idOf(machine)}-windows`,
    title: `${machine}: rates over windows of memory`,
    sentence: `Marks are measured, lines emulated (cache ${cache}, IOMMU on): while the pages of a window fit the IOTLB nothing is lost, beyond it each transaction waits for a walk, and small ones suffer most.`,
    chart: windowsChart(shown),
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
    text: 'Its numbers are in the tables above.',
  };
}

function windowsChart(points: readonly PointResult[]): Chart {
  const sizes = [...new Set(points.map(({ size_bytes }) => size_bytes))].sort((one, other) => one - other);
  return {
    title: 'Rates over windows, a panel per size',
    description: `Marks (measured) on lines (emulated) that stay level and then fall once the window is larger than the IOTLB covers; panels for ${sizes.join(', ')} bytes.`,
    x: WINDOW_AXIS,
    y: { title: 'million per second' },
    legend: LEGEND,
    panels: sizes.map((size) => ({
      title: `${size} B`,
      marks: OPERATIONS.flatMap((op, dash): Mark[] => {
        const own = points
          .filter((point) => point.size_bytes === size && point.op === op)
          .sort((one, other) => one.window_bytes - other.window_bytes);
        return [
          {
            kind: 'line',
            points: own.map((point) => [point.window_bytes / 1024, millions(point.emulated_tps)]),
            style: SIGNS[op].style,
            dash,
          },
          ...own.map(
            (point): Mark => ({
              kind: 'point',
              x: point.window_bytes / 1024,
              y: millions(point.measured_tps),
              ...SIGNS[op],
            }),
          ),
        ];
      }),
    })),
  };
}

/** Latency of single reads over windows, to which IOTLB and walk were fitted. */
function latencyFigure({ machine, latencies }: IommuHardwareResult): ReportFigure {
  const line = (of: (one: LatencyResult) => number) =>
    latencies.map((one) => [one.window_bytes / 1024, of(one)] as const);
  return {
    id: `iommu-hardware-${idOf(machine)}-latency`,
    title: `${machine}: latency of single reads`,
    sentence: 'Marks are measured, the line is emulated: reads of 64 bytes, one outstanding, IOMMU on.',
    chart: {
      title: 'Latency of single reads over windows',
      description: latencies
        .map(
          (one) =>
            `${windowText(one.window_bytes)}: measured ${one.measured_ns.toFixed(0)} ns, emulated ${one.emulated_ns.toFixed(0)} ns`,
        )
        .join('; '),
      x: WINDOW_AXIS,
      y: { title: 'ns' },
      height: 220,
      panels: [
        {
          marks: [
            { kind: 'line', points: line(({ emulated_ns }) => emulated_ns), style: 1 },
            ...line(({ measured_ns }) => measured_ns).map(
              ([x, y]): Mark => ({ kind: 'point', x, y, style: 4, shape: 'triangle' }),
            ),
          ],
        },
      ],
    },
    table: {
      heads: ['window', 'measured, ns', 'emulated, ns', 'error'],
      rows: latencies.map(({ window_bytes, measured_ns, emulated_ns, error }) => [
        windowText(window_bytes),
        measured_ns.toFixed(0),
        emulated_ns.toFixed(0),
        `${error < 0 ? '-' : '+'}${(Math.abs(error) * 100).toFixed(1)}%`,
      ]),
    },
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
