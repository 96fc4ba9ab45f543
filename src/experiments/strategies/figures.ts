import type { FigureParameter, ReportFigure } from '../../report/html/figure.js';
import { type BoxRow, boxPanels, type DotRow, dotPanels } from '../approach-panels.js';
import { statementsAnswer, statementsFigure } from '../checked-statement.js';
import { titleOf } from '../mapping-approaches.js';
import { publishedFigure } from '../published-plot.js';
import { plainText, type Spread, spanText, spreadText } from '../several-seeds.js';
import { APPROACHES, type StrategyPoint } from './measure.js';
import type { StrategiesResult } from './reproduce.js';
import { WARM_UP_NS, WORKLOADS } from './workloads.js';

const PANELS = WORKLOADS.map(({ title }) => title);
const COLUMNS = 3;

/** A measure that is one number a point. */
interface Measure {
  readonly id: string;
  readonly title: string;
  readonly sentence: string;
  readonly axis: string;
  readonly digits: number;
  readonly of: (point: StrategyPoint) => Spread | undefined;
}

const MEASURES: readonly Measure[] = [
  {
    id: 'strategies-cpu',
    title: 'CPU for protection',
    sentence: 'CPU less that of the same machine and seed without protection, in points of the core.',
    axis: 'points of the core',
    digits: 1,
    of: ({ approach, protection_percent }) => (approach === 'none' ? undefined : protection_percent),
  },
  {
    id: 'strategies-reuse',
    title: 'Mappings reused',
    sentence:
      'Of the pages that transfers used, the percentage that was mapped already; only where an IOMMU maps.',
    axis: '% of pages used',
    digits: 0,
    of: ({ reuse_percent }) => reuse_percent,
  },
  {
    id: 'strategies-hypercalls',
    title: 'Hypercalls a packet',
    sentence: 'Hypercalls for each frame that was sent or received.',
    axis: 'hypercalls a frame',
    digits: 2,
    of: ({ hypercalls_per_frame }) => hypercalls_per_frame,
  },
  {
    id: 'strategies-iotlb',
    title: 'IOTLB hit rate',
    sentence: "Of the IOMMU's translations, the percentage that its IOTLB of 64 entries answered.",
    axis: '% of translations',
    digits: 0,
    of: ({ iotlb_hit_percent }) => iotlb_hit_percent,
  },
];

/** CPU for protection, reuse, hypercalls, hits, and how latency is distributed: a panel a workload each. */
export function strategiesFigures(result: StrategiesResult, repeat: string): ReportFigure[] {
  const parameters = parametersOf(result);
  return [
    ...MEASURES.map((measure) => measureFigure(measure, result.points, repeat, parameters)),
    latencyFigure(result, repeat, parameters),
    publishedFigure(result.figures, { id: 'strategies-published', repeat, parameters }),
    statementsFigure(result.statements, { id: 'strategies-statements', repeat, parameters }),
  ];
}

/** What came of it, in a few sentences. */
export function strategiesAnswer({ points, statements }: StrategiesResult): string {
  const costs = (approach: string) => {
    const all = points.filter((point) => point.approach === approach);
    const ns = all.map(({ protection_ns_per_frame }) => protection_ns_per_frame.mean);
    return spanText(ns);
  };
  return (
    `Over the workloads protection costs a frame ${costs('iommu:single-use')} ns of CPU with single-use, ` +
    `${costs('iommu:shared')} with shared, ${costs('cdna')} with software and ${costs('iommu:persistent')} with persistent ` +
    `mappings. ${statementsAnswer(statements)}`
  );
}

function measureFigure(
  { id, title, sentence, axis, digits, of }: Measure,
  points: readonly StrategyPoint[],
  repeat: string,
  parameters: readonly FigureParameter[],
): ReportFigure {
  const rows: DotRow[] = points.flatMap((point) => {
    const spread = of(point);
    if (spread === undefined) return [];
    const label = plainText(spread.mean, digits);
    return [{ panel: panelOf(point), approach: titleOf(point.approach), ...spread, label }];
  });
  const shown = APPROACHES.filter((name) => rows.some(({ approach }) => approach === titleOf(name)));
  return {
    id,
    title,
    sentence,
    plot: dotPanels(
      {
        title,
        description: `${sentence} A panel a workload, a dot an approach, a line from the least to the most of the seeds.`,
        panels: PANELS,
        approaches: shown.map(titleOf),
        axis,
        rows,
        columns: COLUMNS,
      },
      Math.max(...rows.map(({ most }) => most)),
    ),
    table: {
      heads: ['approach', ...PANELS],
      rows: shown.map((name) => [
        titleOf(name),
        ...WORKLOADS.map((workload) => {
          const point = points.find((one) => one.workload === workload.name && one.approach === name);
          const spread = point === undefined ? undefined : of(point);
          return spread === undefined ? '-' : spreadText(spread, Math.max(1, digits));
        }),
      ]),
    },
    repeat,
    parameters,
  };
}

function latencyFigure(
  { points, percents }: StrategiesResult,
  repeat: string,
  parameters: readonly FigureParameter[],
): ReportFigure {
  const at = ({ latency_us }: StrategyPoint, percent: number) =>
    latency_us[percents.indexOf(percent)] ?? Number.NaN;
  const rows: BoxRow[] = points.map((point) => ({
    panel: panelOf(point),
    approach: titleOf(point.approach),
    p1: at(point, 1),
    p25: at(point, 25),
    p50: at(point, 50),
    p75: at(point, 75),
    p99: at(point, 99),
  }));
  return {
    id: 'strategies-latency',
    title: 'Latency',
    sentence: `How latency is distributed: ${WORKLOADS.map(({ title, timed }) => `${title}, ${timed}`).join('; ')}.`,
    plot: boxPanels({
      title: 'Latency: 1st to 99th percentile, middle half, median',
      description:
        'A panel a workload, each with a logarithmic axis of its own; a thin line from the 1st to the 99th percentile, which a ' +
        'diamond marks, a bar over the middle half, a tick at the median.',
      panels: PANELS,
      approaches: APPROACHES.map(titleOf),
      axis: 'us',
      rows,
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
    repeat,
    parameters,
  };
}

function panelOf({ workload }: StrategyPoint): string {
  return WORKLOADS.find(({ name }) => name === workload)?.title ?? workload;
}

function parametersOf({ seed, seeds }: StrategiesResult): FigureParameter[] {
  return [
    { name: 'machine', value: 'one core of 2.4 GHz, one port of 2 Gb/s, one guest' },
    { name: 'costs', value: 'as reproduce cdna-2007 found them' },
    { name: 'not looked at', value: `${WARM_UP_NS / 1e6} ms` },
    ...WORKLOADS.map(({ title, meaning, windowNs }) => ({
      name: title,
      value: `${meaning}; ${windowNs / 1e6} ms`,
    })),
    { name: 'seeds', value: `${seeds}, from ${seed}` },
  ];
}
