import { APPROACHES } from '../../../host/protection/approaches.js';
import { barLegend, type Chart, type Mark } from '../../report/charts/chart.js';
import type { FigureTable, ReportFigure } from '../../report/html/figure.js';
import { type Metric, shownValue } from '../../report/metrics/metric.js';
import { metricsOf } from '../measures.js';
import { metricLines, metricTable } from '../metric-figures.js';
import { publishedFigure } from '../published.js';
import { statementsFigure } from '../statements.js';
import { EXPECTED } from './expected.js';
import {
  CHANGE_MEASURES,
  CPU_MEASURES,
  GREEDY_MEASURES,
  GUESTS,
  QUIET_MEASURES,
  type QuietPoint,
  type ScalingPoint,
  type ScalingResult,
} from './measure.js';
import {
  cpuSentence,
  type GreedyAt,
  goodputSentence,
  greedyAt,
  interruptsSentence,
  iotlbSentence,
  latencySentence,
  waitSentence,
  walksSentence,
} from './sentences.js';

/** Metrics of a part of a point, as metrics of the point. */
function within<Point, Part, Id extends string>(
  metrics: Readonly<Record<Id, Metric<Part>>>,
  part: (point: Point) => Part,
): Readonly<Record<Id, Metric<Point>>> {
  const entries = Object.entries<Metric<Part>>(metrics).map(([id, metric]) => [
    id,
    { ...metric, of: (point: Point) => metric.of(part(point)), isOfFew: undefined },
  ]);
  return Object.fromEntries(entries) as Readonly<Record<Id, Metric<Point>>>;
}

type QuietAt = ScalingPoint & { readonly quiet: QuietPoint };

const GREEDY = within(
  metricsOf<never, typeof GREEDY_MEASURES>(GREEDY_MEASURES),
  ({ greedy }: GreedyAt) => greedy,
);
const CPU = within(
  metricsOf<never, typeof CPU_MEASURES>(CPU_MEASURES),
  ({ greedy }: GreedyAt) => greedy.cpu_cores,
);
const QUIET = within(metricsOf<never, typeof QUIET_MEASURES>(QUIET_MEASURES), ({ quiet }: QuietAt) => quiet);
const CHANGE = metricsOf<never, typeof CHANGE_MEASURES>(CHANGE_MEASURES);

/** Headings: a strategy of the IOMMU by its own name, which is short enough. */
const headingOf = ({ approach }: { readonly approach: string }) => approach.replace('iommu:', '');
const PANELS = APPROACHES.map(({ name }) => headingOf({ approach: name }));
const NAMES = [
  ['approach', ({ approach }: { readonly approach: string }) => approach],
  ['guests', ({ guests }: { readonly guests: number }) => `${guests}`],
] as const;
const X: Chart['x'] = {
  title: 'guests',
  scale: 'log',
  domain: [GUESTS[0] ?? 1, GUESTS.at(-1) ?? 1],
  ticks: [1, 4, 16, 64, 1024],
  label: (value) => `${value}`,
  grid: false,
};

/** The plots of the experiment, each with the table behind it, and what was promised and published. */
export function scalingReport(result: ScalingResult): ReportFigure[] {
  const { points } = result;
  const greedy = greedyAt(points);
  const table = metricTable<GreedyAt>(
    [...NAMES, ['kept apart', ({ kept_apart }) => `${kept_apart}`]],
    [GREEDY.goodput_gbps, ...Object.values(CPU), ...Object.values(GREEDY).slice(1)],
    greedy,
  );
  return [
    {
      ...{ id: 'scaling-goodput', title: 'Goodput against guests', sentence: goodputSentence(points), table },
      chart: greedyLines(greedy, 'Goodput against guests', [GREEDY.goodput_gbps], {
        level: EXPECTED.goodput.value,
      }),
    },
    waitFigure(greedy, table, waitSentence(points)),
    latencyFigure(points),
    cpuFigure(greedy, table, cpuSentence(points)),
    {
      ...{
        id: 'scaling-interrupts',
        title: 'Interrupts against guests',
        sentence: interruptsSentence(points),
      },
      table,
      chart: greedyLines(greedy, 'Interrupts against guests', [
        GREEDY.physical_interrupts_per_s,
        GREEDY.virtual_interrupts_per_s,
      ]),
    },
    {
      ...{
        id: 'scaling-iotlb',
        title: 'IOTLB hit rate against guests',
        sentence: iotlbSentence(points),
        table,
      },
      chart: greedyLines(greedy, 'IOTLB hit rate against guests', [GREEDY.iotlb_hit_rate]),
    },
    walksFigure(result),
    publishedFigure(result.figures, 'scaling-published'),
    promisesFigure(result),
  ];
}

/** Lines of guests that send what they can, a panel per approach. */
function greedyLines(
  points: readonly GreedyAt[],
  title: string,
  metrics: readonly Metric<GreedyAt>[],
  { y = {}, level }: { readonly y?: Partial<Chart['y']>; readonly level?: number } = {},
): Chart {
  const description = metrics.map(({ sentence }) => sentence).join(' ');
  const placed = { points, panelOf: headingOf, panels: PANELS, at: ({ guests }: GreedyAt) => guests };
  return metricLines({ title, description, x: X, y }, metrics, placed, level);
}

function waitFigure(points: readonly GreedyAt[], table: FigureTable, sentence: string): ReportFigure {
  const title = 'Wait for the wire against guests, every guest sending what it can';
  const metrics = [GREEDY.wait_p50_us, GREEDY.wait_p99_us];
  const chart = greedyLines(points, title, metrics, { y: { scale: 'log' } });
  return { id: 'scaling-wait', title, sentence, table, chart };
}

function latencyFigure(points: readonly ScalingPoint[]): ReportFigure {
  const quiet = points.flatMap((point): QuietAt[] =>
    point.quiet === undefined ? [] : [{ ...point, quiet: point.quiet }],
  );
  return {
    id: 'scaling-latency',
    title: 'Latency against guests with a tenth of the wire used',
    sentence: latencySentence(points),
    table: metricTable<QuietAt>(NAMES, Object.values(QUIET), quiet),
    chart: metricLines(
      {
        title: 'Latency with a tenth of the wire used',
        description: '99th percentile of the time to the wire, and from the wire to the guest.',
        x: X,
        y: { scale: 'log' },
      },
      [QUIET.send_p99_us, QUIET.receive_p99_us],
      { points: quiet, panelOf: headingOf, panels: PANELS, at: ({ guests }) => guests },
    ),
  };
}

function walksFigure(result: ScalingResult): ReportFigure {
  return {
    id: 'scaling-walks',
    title: 'What the card waits for when it waits for walks',
    sentence: walksSentence(result),
    table: metricTable(
      [...NAMES, ['changed', ({ change }) => change]],
      Object.values(CHANGE),
      result.unit_changes,
    ),
  };
}

function promisesFigure({ statements }: ScalingResult): ReportFigure {
  return {
    ...statementsFigure(statements, 'scaling-statements'),
    title: 'What the design promises',
    sentence: `Of ${statements.length} statements ${statements.filter(({ holds }) => holds).length} hold at every point; each line names those at which it does not.`,
  };
}

/** Cores at work, one bar for each number of guests. */
function cpuFigure(points: readonly GreedyAt[], table: FigureTable, sentence: string): ReportFigure {
  const metrics = Object.values(CPU);
  return {
    id: 'scaling-cpu',
    title: 'CPU by domain against guests',
    sentence,
    table,
    chart: {
      title: 'CPU by domain against guests',
      description: 'Cores at work, stacked: hypervisor below, driver domain, guests above.',
      x: { title: 'guests', scale: 'rows', rows: GUESTS.map(String) },
      y: { title: 'cores' },
      legend: barLegend(metrics.map(({ title }) => title)),
      panels: PANELS.map((title) => ({
        title,
        marks: points
          .filter((point) => headingOf(point) === title)
          .flatMap((point) => {
            let from = 0;
            return metrics.map((metric, index): Mark => {
              const to = from + (shownValue(metric, point)?.mean ?? 0);
              const mark: Mark = { kind: 'bar', row: `${point.guests}`, from, to, style: index + 1 };
              from = to;
              return mark;
            });
          }),
      })),
    },
  };
}
