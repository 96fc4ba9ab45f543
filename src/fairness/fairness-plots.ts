import type { TopLevelSpec } from 'vega-lite';
import { PLOT_COLOURS, type Plot } from '../report/plot.js';
import { WINDOWS, type WorkloadFinding } from './fairness-study.js';
import { WEIGHT_CLASSES } from './workload.js';

const PANEL = { width: 220, height: 130 };
const PANELS_A_ROW = 3;

/** Lines of the logarithmic axis. */
const DECADES_US = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000];

const WEIGHT_COLOUR = {
  field: 'weight',
  type: 'nominal' as const,
  title: 'weight',
  scale: { domain: [...WEIGHT_CLASSES], range: PLOT_COLOURS.slice(0, WEIGHT_CLASSES.length) },
};

/** Shares of the link over time, a line a context, a panel a discipline; dashed, what a weight alone would give. */
export function sharesPlot({ workload, dueBytes, findings }: WorkloadFinding): Plot {
  const { contenders, durationNs, linkBps } = workload;
  const windowBytes = ((linkBps / 8e9) * durationNs) / WINDOWS;
  const weightSum = contenders.reduce((sum, { share }) => sum + share.weight, 0);
  const values: object[] = [];
  for (const { discipline, sentBytes } of findings) {
    for (const [window, row] of sentBytes.entries()) {
      for (const [context, bytes] of row.entries()) {
        const weight = contenders[context]?.share.weight ?? 1;
        values.push({
          discipline,
          context,
          weight,
          ms: roundTo((((window + 0.5) / WINDOWS) * durationNs) / 1e6, 4),
          percent: roundTo((100 * bytes) / windowBytes, 3),
          due: roundTo((100 * (dueBytes[window]?.[context] ?? 0)) / windowBytes, 3),
          line: roundTo((100 * weight) / weightSum, 3),
        });
      }
    }
  }
  const time = { field: 'ms', type: 'quantitative' as const, title: 'time, ms' };
  const spec: TopLevelSpec = {
    data: { values },
    facet: facetOf(findings.map(({ discipline }) => discipline)),
    columns: PANELS_A_ROW,
    spec: {
      ...PANEL,
      layer: [
        {
          mark: { type: 'rule', strokeDash: [4, 3], opacity: 0.7 },
          encoding: {
            y: { field: 'line', type: 'quantitative', aggregate: 'min' },
            color: WEIGHT_COLOUR,
          },
        },
        {
          mark: { type: 'line', strokeWidth: 1.2 },
          encoding: {
            x: time,
            y: { field: 'percent', type: 'quantitative', title: 'share of the link, %' },
            color: WEIGHT_COLOUR,
            detail: { field: 'context' },
          },
        },
      ],
    },
  };
  return {
    title: `${workload.name}: shares of the link over time`,
    description:
      `${workload.meaning}. A line a context, ${contenders.length} of them; dashed, the share that each weight ` +
      'gives when all want to send.',
    spec,
  };
}

/** How long frames waited: the fraction that waited at most so long, a line a class, a panel a discipline. */
export function delaysPlot({ workload, findings }: WorkloadFinding): Plot {
  const values: object[] = [];
  for (const { discipline, delayPercentilesNs } of findings) {
    for (const [index, percentiles] of delayPercentilesNs.entries()) {
      for (const [percent, ns] of percentiles.entries()) {
        values.push({ discipline, weight: WEIGHT_CLASSES[index], percent, us: roundTo(ns / 1000, 3) });
      }
    }
  }
  const spec: TopLevelSpec = {
    data: { values },
    facet: facetOf(findings.map(({ discipline }) => discipline)),
    columns: PANELS_A_ROW,
    spec: {
      ...PANEL,
      mark: { type: 'line', strokeWidth: 1.4 },
      encoding: {
        x: {
          field: 'us',
          type: 'quantitative',
          title: 'delay, us',
          scale: { type: 'log' },
          axis: { values: DECADES_US, format: ',' },
        },
        y: { field: 'percent', type: 'quantitative', title: 'frames, %' },
        order: { field: 'percent', type: 'quantitative' },
        color: WEIGHT_COLOUR,
      },
    },
  };
  return {
    title: `${workload.name}: delay of frames`,
    description: `${workload.meaning}. The percentage of the frames of a weight that left within so much time of joining their queue.`,
    spec,
  };
}

/** Panels in the order in which disciplines were named. */
function facetOf(order: readonly string[]) {
  return { field: 'discipline', type: 'nominal' as const, title: null, sort: [...order] };
}

function roundTo(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
