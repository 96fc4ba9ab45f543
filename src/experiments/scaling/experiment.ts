import { APPROACHES } from '../../../host/protection/approaches.js';
import { barLegend, type Chart, type Mark } from '../../report/charts/chart.js';
import type { FigureTable, ReportFigure } from '../../report/html/figure.js';
import { type Metric, shownValue } from '../../report/metrics/metric.js';
import { sweepPoints } from '../../sweep/points.js';
import { defineExperiment } from '../experiment.js';
import { metricsOf } from '../measures.js';
import { metricLines, metricTable } from '../metric-figures.js';
import { publishedFigure } from '../published.js';
import { statementsFigure } from '../statements.js';
import { EXPECTED, scalingFigures, scalingStatements } from './expected.js';
import { CORES, FRAME_BYTES, QUIET_BPS, QUIET_WARM_UP_NS, QUIET_WINDOW_NS, RING_SLOTS } from './machine.js';
import {
  CHANGE_MEASURES,
  CPU_MEASURES,
  GREEDY_MEASURES,
  GUESTS,
  QUIET_MEASURES,
  type QuietPoint,
  type ScalingPoint,
  type ScalingResult,
  SEEDS,
  scalingPlaces,
  scalingPoints,
} from './measure.js';
import {
  cpuSentence,
  type GreedyAt,
  goodputSentence,
  greedyAt,
  interruptsSentence,
  iotlbSentence,
  latencySentence,
  scalingAnswer,
  waitSentence,
  walksSentence,
} from './sentences.js';
import { unitChangePoints, unitChanges } from './unit-changes.js';

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

/** What more guests cost, from one to more than any card has today. */
export const scaling = defineExperiment({
  name: 'scaling',
  question: 'what do 1 to 1,024 guests get from one card, and what does it cost?',
  storedUrl: new URL('./result.json', import.meta.url),
  async measure({ seed, threads, progress }) {
    const places = scalingPlaces();
    const changes = unitChanges();
    const seeds = { seed, seeds: SEEDS };
    let done = 0;
    const step = () => {
      done += 1;
      progress(done / (SEEDS * (places.length + changes.length)), 'machines');
    };
    const [samples, changed] = await Promise.all([
      sweepPoints(threads, 'scaling/machine', places, seeds, step),
      sweepPoints(threads, 'scaling/unit-change', changes, seeds, step),
    ]);
    const points = scalingPoints(places, samples);
    return {
      experiment: 'scaling' as const,
      seed,
      seeds: SEEDS,
      quiet_warm_up_ns: QUIET_WARM_UP_NS,
      quiet_window_ns: QUIET_WINDOW_NS,
      points,
      unit_changes: unitChangePoints(changes, changed),
      statements: scalingStatements(points),
      figures: scalingFigures(points),
    };
  },
  present: (result: ScalingResult) => ({
    answer: scalingAnswer(result),
    parameters: [
      { name: 'wire', value: '10 Gb/s' },
      { name: 'CPU', value: `${CORES} cores of 2.4 GHz, guests assigned round-robin` },
      { name: 'frames', value: `${FRAME_BYTES} bytes` },
      { name: 'rings', value: `${RING_SLOTS} slots per guest` },
      { name: 'contexts', value: 'one per guest (driver domain: one)' },
      { name: 'discipline', value: 'deficit round robin' },
      { name: 'seeds', value: `${result.seeds}, from ${result.seed}` },
      { name: 'warm-up', value: '3 ms and one and a half times what all rings hold' },
      {
        name: 'a tenth of the wire',
        value: `Poisson, ${QUIET_BPS / 1e9} Gb/s of the wire each way, of all guests together; warm-up ${result.quiet_warm_up_ns / 1e6} ms, window ${result.quiet_window_ns / 1e6} ms`,
      },
    ],
    figures: figuresOf(result),
    notes: [
      ...result.points.flatMap(({ approach, guests, impossible }) =>
        impossible === undefined ? [] : [`${approach} with ${guests} guests cannot be set up: ${impossible}`],
      ),
      'Nothing is fitted.',
    ],
  }),
});

function figuresOf(result: ScalingResult): ReportFigure[] {
  const { points, statements } = result;
  const greedy = greedyAt(points);
  const quiet = points.flatMap((point): QuietAt[] =>
    point.quiet === undefined ? [] : [{ ...point, quiet: point.quiet }],
  );
  const table = metricTable<GreedyAt>(
    [...NAMES, ['kept apart', ({ kept_apart }) => `${kept_apart}`]],
    [GREEDY.goodput_gbps, ...Object.values(CPU), ...Object.values(GREEDY).slice(1)],
    greedy,
  );
  const lines = (
    title: string,
    sentence: string,
    id: string,
    metrics: readonly Metric<GreedyAt>[],
    y: Partial<Chart['y']> = {},
    level?: number,
  ): ReportFigure => ({
    id,
    title,
    sentence,
    table,
    chart: metricLines(
      { title, description: metrics.map((metric) => metric.sentence).join(' '), x: X, y },
      metrics,
      { points: greedy, panelOf: headingOf, panels: PANELS, at: ({ guests }) => guests },
      level,
    ),
  });
  return [
    lines(
      'Goodput against guests',
      goodputSentence(points),
      'scaling-goodput',
      [GREEDY.goodput_gbps],
      {},
      EXPECTED.goodput.value,
    ),
    lines(
      'Wait for the wire against guests, every guest sending what it can',
      waitSentence(points),
      'scaling-wait',
      [GREEDY.wait_p50_us, GREEDY.wait_p99_us],
      { scale: 'log' },
    ),
    {
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
    },
    cpuFigure(greedy, table, cpuSentence(points)),
    lines('Interrupts against guests', interruptsSentence(points), 'scaling-interrupts', [
      GREEDY.physical_interrupts_per_s,
      GREEDY.virtual_interrupts_per_s,
    ]),
    lines('IOTLB hit rate against guests', iotlbSentence(points), 'scaling-iotlb', [GREEDY.iotlb_hit_rate]),
    {
      id: 'scaling-walks',
      title: 'What the card waits for when it waits for walks',
      sentence: walksSentence(result),
      table: metricTable(
        [...NAMES, ['changed', ({ change }) => change]],
        Object.values(CHANGE),
        result.unit_changes,
      ),
    },
    publishedFigure(result.figures, 'scaling-published'),
    {
      ...statementsFigure(statements, 'scaling-statements'),
      title: 'What the design promises',
      sentence: `Of ${statements.length} statements ${statements.filter(({ holds }) => holds).length} hold at every point; each line names those at which it does not.`,
    },
  ];
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
