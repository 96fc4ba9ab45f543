import { boxChart } from '../../report/charts/rows.js';
import type { ReportFigure } from '../../report/html/figure.js';
import { spanText } from '../../report/metrics/spread.js';
import { sweepPoints } from '../../sweep/points.js';
import { defineExperiment } from '../experiment.js';
import { APPROACHES, titleOf } from '../mapping-approaches.js';
import { metricsOf } from '../measures.js';
import { metricFigure, metricTable } from '../metric-figures.js';
import { type ComparedFigure, publishedFigure } from '../published.js';
import { type CheckedStatement, statementsAnswer, statementsFigure } from '../statements.js';
import { strategyFigures, strategyStatements } from './findings.js';
import {
  MEASURES,
  type MeasuredStrategy,
  PERCENTS,
  SEEDS,
  type StrategyPoint,
  strategyPoints,
} from './measure.js';
import { WARM_UP_NS, WORKLOADS } from './workloads.js';

export interface StrategiesResult {
  readonly experiment: 'strategies';
  readonly seed: number;
  readonly seeds: number;
  /** What each point's `latency_us` are percentiles at. */
  readonly percents: readonly number[];
  readonly points: readonly StrategyPoint[];
  readonly figures: readonly ComparedFigure[];
  readonly statements: readonly CheckedStatement[];
}

const METRICS = metricsOf<never, typeof MEASURES>(MEASURES);
const SHOWN = {
  'strategies-cpu': METRICS.protection_percent,
  'strategies-reuse': METRICS.reuse_percent,
  'strategies-hypercalls': METRICS.hypercalls_per_frame,
  'strategies-iotlb': METRICS.iotlb_hit_percent,
};
const COLUMNS = 3;

/** Ways to map, and software instead, under the kinds of traffic that the literature compared them with. */
export const strategies = defineExperiment({
  name: 'strategies',
  question: 'which way to map suits which traffic, and is software without an IOMMU as good?',
  storedUrl: new URL('./result.json', import.meta.url),
  async measure({ seed, threads, progress }) {
    const points = WORKLOADS.flatMap(({ name }) =>
      APPROACHES.map((approach) => ({ workload: name, approach })),
    );
    const runs = await sweepPoints(
      threads,
      'strategies/workload',
      points,
      { seed, seeds: SEEDS },
      (done, of) => progress(done / of, 'runs'),
    );
    return strategiesResult(
      seed,
      points.map((point, at) => ({ ...point, runs: runs[at] ?? [] })),
    );
  },
  present: (result: StrategiesResult) => ({
    answer: answerOf(result),
    parameters: [
      { name: 'machine', value: 'one core of 2.4 GHz, one port of 2 Gb/s, one guest' },
      { name: 'costs', value: 'as reproduce cdna-2007 found them' },
      { name: 'warm-up', value: `${WARM_UP_NS / 1e6} ms` },
      ...WORKLOADS.map(({ title, meaning, windowNs }) => ({
        name: title,
        value: `${meaning}; window ${windowNs / 1e6} ms`,
      })),
      { name: 'seeds', value: `${result.seeds}, from ${result.seed}` },
    ],
    figures: [
      ...Object.entries(SHOWN).map(([id, metric]) =>
        metricFigure(id, metric, {
          // What protection costs where there is none is no figure.
          points: result.points.filter(
            ({ approach }) => metric !== METRICS.protection_percent || approach !== 'none',
          ),
          panelOf,
          panels: WORKLOADS.map(({ title }) => title),
          rowOf: ({ approach }) => titleOf(approach),
          columns: COLUMNS,
        }),
      ),
      latencyFigure(result),
      publishedFigure(result.figures, 'strategies-published'),
      statementsFigure(result.statements, 'strategies-statements'),
      {
        id: 'strategies-points',
        title: 'Every point',
        sentence:
          'All that was measured, per workload and approach; with the least and the most of the seeds.',
        table: metricTable(
          [
            ['workload', panelOf],
            ['approach', ({ approach }) => titleOf(approach)],
          ],
          Object.values(METRICS),
          result.points,
        ),
      },
    ],
    notes: ['Nothing was fitted. What ATC 2008 measured in percent of the CPU was not found in a source.'],
  }),
});

/** Assembles the result from all tasks. */
function strategiesResult(seed: number, measured: readonly MeasuredStrategy[]): StrategiesResult {
  const points = strategyPoints(measured);
  return {
    experiment: 'strategies',
    seed,
    seeds: SEEDS,
    percents: PERCENTS,
    points,
    figures: strategyFigures(measured),
    statements: strategyStatements(points),
  };
}

function answerOf({ points, statements }: StrategiesResult): string {
  const costs = (approach: string) =>
    spanText(
      points
        .filter((point) => point.approach === approach)
        .map(({ protection_ns_per_frame }) => protection_ns_per_frame.mean),
    );
  return (
    `Over the workloads protection costs a frame ${costs('iommu:single-use')} ns of CPU with single-use, ` +
    `${costs('iommu:shared')} with shared, ${costs('cdna')} with software and ${costs('iommu:persistent')} with persistent ` +
    `mappings. ${statementsAnswer(statements)}`
  );
}

function latencyFigure({ points, percents }: StrategiesResult): ReportFigure {
  const at = ({ latency_us }: StrategyPoint, percent: number) =>
    latency_us[percents.indexOf(percent)] ?? Number.NaN;
  return {
    id: 'strategies-latency',
    title: 'Latency',
    sentence: `How latency is distributed: ${WORKLOADS.map(({ title, timed }) => `${title}, ${timed}`).join('; ')}.`,
    chart: boxChart({
      title: 'Latency: 1st to 99th percentile, middle half, median',
      description:
        'A panel per workload, each with a logarithmic axis of its own; a thin line from the 1st to the 99th percentile, which a ' +
        'diamond marks, a bar over the middle half, a tick at the median.',
      panels: WORKLOADS.map(({ title }) => title),
      names: APPROACHES.map(titleOf),
      axis: { title: 'us', scale: 'log', own: true },
      rows: points.map((point) => ({
        panel: panelOf(point),
        name: titleOf(point.approach),
        p1: at(point, 1),
        p25: at(point, 25),
        p50: at(point, 50),
        p75: at(point, 75),
        p99: at(point, 99),
      })),
      columns: COLUMNS,
    }),
    table: {
      heads: ['workload', 'approach', ...percents.map((percent) => `p${percent}, us`)],
      rows: points.map((point) => [
        panelOf(point),
        titleOf(point.approach),
        ...point.latency_us.map((us) => us.toFixed(2)),
      ]),
    },
  };
}

function panelOf({ workload }: StrategyPoint): string {
  return WORKLOADS.find(({ name }) => name === workload)?.title ?? workload;
}
