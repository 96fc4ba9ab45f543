import { present } from '../../../scheduler/present.js';
import type { Chart, Mark } from '../../report/charts/chart.js';
import type { ReportFigure } from '../../report/html/figure.js';
import type { Metric } from '../../report/metrics/metric.js';
import { sweepPoints } from '../../sweep/points.js';
import { defineExperiment } from '../experiment.js';
import { metricTable } from '../metric-figures.js';
import { missOf, percent, publishedFigure, publishedSentence } from '../published.js';
import {
  measuredSettings,
  SEEDS,
  STRATEGIES,
  type WalkCostResult,
  type WalkPoint,
  walkCostResult,
  walkPlaces,
} from './measure.js';
import { modelBps, PAGE_NS, TABLE_READ_NS, TOLERANCE, UPPER_READS_LEFT } from './published.js';

const SIGNS = {
  'single-use': { style: 4, shape: 'circle' },
  contiguous: { style: 1, shape: 'square' },
} as const;
/** The line is drawn through so many points per table read. */
const STEPS_PER_READ = 10;

const metric = (
  id: string,
  title: string,
  unit: string,
  digits: number,
  sentence: string,
  of: Metric<WalkPoint>['of'],
): Metric<WalkPoint> => ({ id, title, unit, digits, sentence, of });

const METRICS: readonly Metric<WalkPoint>[] = [
  metric('reads_per_page', 'M', '', 2, 'Table reads per page.', ({ reads_per_page }) => reads_per_page),
  metric('walks_per_page', 'walks/page', '', 2, 'Walks per page.', ({ walks_per_page }) => walks_per_page),
  metric(
    'emulated_gbps',
    'rate',
    'Gb/s',
    2,
    'Received, with the least and the most of the seeds.',
    ({ emulated_gbps: mean, emulated_range: [least, most] }) => ({ mean, least, most }),
  ),
  metric('model_gbps', 'line', 'Gb/s', 2, 'What the line says for this M.', ({ model_gbps }) => model_gbps),
];

/** What table reads per page cost, and what contiguous addresses save. */
export const walkCost = defineExperiment({
  name: 'walk-cost',
  question: 'is throughput behind one page walker T = p / (65 ns + M x 197 ns)?',
  storedUrl: new URL('./result.json', import.meta.url),
  async measure({ seed, threads, progress }) {
    const places = walkPlaces();
    const seeds = { seed, seeds: SEEDS };
    const runs = await sweepPoints(threads, 'walk-cost/run', places, seeds, (done, of) =>
      progress(done / of, 'runs'),
    );
    return walkCostResult(seed, measuredSettings(places, runs));
  },
  present: (result: WalkCostResult) => ({
    answer: answerOf(result),
    parameters: [
      { name: 'frames', value: '4 KB, received at 100 Gb/s' },
      { name: 'walkers', value: `one; ${PAGE_NS} ns per walk, ${TABLE_READ_NS} ns per table read (given)` },
      { name: 'CPU and invalidation', value: 'take no time here: only table reads may limit' },
      { name: 'warm-up', value: `${result.warm_up_ns / 1e6} ms` },
      { name: 'window', value: `${result.window_ns / 1e6} ms` },
      { name: 'seeds', value: `${result.seeds}, from ${result.seed}: means, with least and most` },
    ],
    figures: [
      lineFigure(result.points),
      restoredFigure(result.points),
      publishedFigure(result.figures, 'walk-cost-published'),
    ],
    notes: [
      ...farNotes(result.points),
      `Reads above the last level, contiguous: at most ${mostUpper(result.points)} per page ([S] paper: ${UPPER_READS_LEFT}).`,
      "The line's two numbers are given to the machine; M, the misses and the rates are predicted.",
    ],
  }),
});

function answerOf({ points, figures }: WalkCostResult): string {
  const bound = points.filter(({ error }) => error !== undefined);
  const near = bound.filter((point) => missOf(point) <= TOLERANCE).length;
  const least = Math.min(
    ...points.filter(({ strategy }) => strategy === 'contiguous').map((point) => point.share_of_off),
  );
  return (
    `${near} of ${bound.length} points that the page walker limits lie within ${TOLERANCE * 100} % of the line for their own table reads; ` +
    `with contiguous addresses no point is below ${(least * 100).toFixed(0)} % of the rate without an IOMMU. ${publishedSentence(figures)}`
  );
}

/** Points off the line, and why. */
function farNotes(points: readonly WalkPoint[]): string[] {
  return points
    .filter((point) => missOf(point) > TOLERANCE)
    .map(
      (point) =>
        `${point.strategy}, ${point.flows} flows, ring ${point.ring_slots}: ${percent(present(point.error))} off the line. ` +
        `The line counts ${PAGE_NS} ns once per page; here a walk costs it, and there are ${point.walks_per_page.toFixed(2)} per page.`,
    );
}

function mostUpper(points: readonly WalkPoint[]): string {
  const upper = points
    .filter(({ strategy }) => strategy === 'contiguous')
    .map((point) => point.upper_reads_per_page);
  return Math.max(...upper).toFixed(3);
}

function lineFigure(points: readonly WalkPoint[]): ReportFigure {
  return {
    id: 'walk-cost-line',
    title: 'Throughput against table reads per page',
    sentence: `Each point is a place of the sweep at its own table reads per page; the line is p / (${PAGE_NS} ns + M x ${TABLE_READ_NS} ns), the band around it ${TOLERANCE * 100} % to both sides, and hollow points are limited by the wire, of which the line does not speak.`,
    chart: lineChart(points),
    table: metricTable(
      [
        ['strategy', ({ strategy }) => strategy],
        ['flows', ({ flows }) => `${flows}`],
        ['ring', ({ ring_slots }) => `${ring_slots}`],
        ['IOTLB', ({ iotlb_entries }) => `${iotlb_entries}`],
        ['error', ({ error }) => (error === undefined ? '-' : percent(error))],
        ['limit', ({ bound_by }) => bound_by],
        ['of IOMMU off', ({ share_of_off }) => `${(share_of_off * 100).toFixed(0)} %`],
      ],
      METRICS,
      points,
    ),
  };
}

function lineChart(points: readonly WalkPoint[]): Chart {
  const mostReads = Math.ceil(Math.max(...points.map(({ reads_per_page }) => reads_per_page)) + 0.2);
  const mostGbps =
    Math.ceil(Math.max(...points.map(({ emulated_range }) => emulated_range[1])) / 10) * 10 + 10;
  const line = Array.from({ length: mostReads * STEPS_PER_READ + 1 }, (_, step) => {
    const reads = step / STEPS_PER_READ;
    return [reads, modelBps(reads) / 1e9] as const;
  }).filter(([, gbps]) => gbps * (1 + TOLERANCE) <= mostGbps);
  return {
    title: 'Throughput against table reads per page',
    description: `A falling curve with a band of ${TOLERANCE * 100} %, and ${points.length} points: ${points
      .map(
        (point) =>
          `${point.strategy}, ${point.flows} flows: M ${point.reads_per_page.toFixed(2)}, ${point.emulated_gbps.toFixed(1)} Gb/s`,
      )
      .join('; ')}.`,
    x: { title: 'table reads per page (M)', domain: [0, mostReads] },
    y: { title: 'Gb/s', domain: [0, mostGbps] },
    height: 320,
    legend: legend(),
    panels: [
      {
        marks: [
          {
            kind: 'band',
            points: line.map(([reads, gbps]) => [reads, gbps * (1 - TOLERANCE), gbps * (1 + TOLERANCE)]),
            style: 'grid',
          },
          { kind: 'line', points: line, style: 'ink', width: 1.3 },
          ...points.flatMap((point): Mark[] => {
            const [x, [least, most]] = [point.reads_per_page, point.emulated_range];
            const hollow = point.bound_by === 'wire';
            return [
              { kind: 'rule', x, y: least, toY: most, style: SIGNS[point.strategy].style },
              { kind: 'point', x, y: point.emulated_gbps, ...SIGNS[point.strategy], hollow },
            ];
          }),
        ],
      },
    ],
  };
}

function legend() {
  return STRATEGIES.map((text) => ({ text, style: SIGNS[text].style, as: SIGNS[text].shape }));
}

function restoredFigure(points: readonly WalkPoint[]): ReportFigure {
  const [first] = points;
  const swept = points.filter(
    (point) => point.ring_slots === first?.ring_slots && point.iotlb_entries === first.iotlb_entries,
  );
  const flows = [...new Set(swept.map((point) => point.flows))];
  return {
    id: 'walk-cost-restored',
    title: 'What contiguous addresses restore',
    sentence: `Of the rate without an IOMMU, what is left with it, by flows, at rings of ${present(first).ring_slots} slots: single-use loses, contiguous addresses give back.`,
    chart: {
      title: 'Rate that is left with an IOMMU, by flows',
      description: swept
        .map((point) => `${point.strategy}, ${point.flows} flows: ${(point.share_of_off * 100).toFixed(0)} %`)
        .join('; '),
      x: { title: 'flows', ticks: flows },
      y: { title: '% of the rate without IOMMU', domain: [0, 105] },
      legend: legend(),
      panels: [
        {
          marks: STRATEGIES.flatMap((strategy, dash): Mark[] => {
            const line = swept
              .filter((point) => point.strategy === strategy)
              .map((point) => [point.flows, point.share_of_off * 100] as const);
            return [
              { kind: 'line', points: line, style: SIGNS[strategy].style, dash },
              ...line.map(([x, y]): Mark => ({ kind: 'point', x, y, ...SIGNS[strategy] })),
            ];
          }),
        },
      ],
    },
    table: {
      heads: [
        'flows',
        ...STRATEGIES.flatMap((strategy) => [`${strategy}, %`, `${strategy}, walks per page`]),
      ],
      rows: flows.map((count) => [
        `${count}`,
        ...STRATEGIES.flatMap((strategy) => {
          const point = swept.find((one) => one.flows === count && one.strategy === strategy);
          return point === undefined
            ? ['-', '-']
            : [(point.share_of_off * 100).toFixed(1), point.walks_per_page.toFixed(2)];
        }),
      ]),
    },
  };
}
