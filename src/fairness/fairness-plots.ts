import type { TopLevelSpec } from 'vega-lite';
import { PLOT_COLOURS, PLOT_INK, type Plot } from '../report/plot.js';
import { legendAbove, panelGrid, panelsOf } from '../report/plots/panels.js';
import { rowLabels } from '../report/plots/stacked-bars.js';
import type { PlotWidth } from '../report/plots/width.js';
import { WINDOWS, type WorkloadFinding } from './fairness-study.js';
import { WEIGHT_CLASSES } from './workload.js';

/** More contexts than these are drawn as a line a weight: the mean of those that have it. */
const MOST_LINES = 16;
/** Lines of the logarithmic axis. */
const DECADES_US = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000];
const DECADE_TEXT = "datum.value >= 1000 ? format(datum.value / 1000, ',') + ' ms' : datum.value + ' us'";

const WEIGHT_COLOUR = {
  field: 'weight',
  type: 'nominal' as const,
  scale: { domain: [...WEIGHT_CLASSES], range: PLOT_COLOURS.slice(0, WEIGHT_CLASSES.length) },
};

/** The heavier, the thicker: weights can be told apart without their colours. */
const WEIGHT_WIDTH = {
  field: 'weight',
  type: 'nominal' as const,
  scale: { domain: [...WEIGHT_CLASSES], range: [0.9, 1.4, 2.1, 3] },
};

function weightLegend(width: PlotWidth) {
  return {
    ...legendAbove(
      WEIGHT_CLASSES.map((weight) => `${weight}`),
      width,
    ),
    title: 'weight',
    titleOrient: 'left' as const,
  };
}

/** Shares of the link over time, a line a context, a panel a discipline; dashed, what a weight alone would give. */
export function sharesPlot(finding: WorkloadFinding, width: PlotWidth = 'wide'): Plot {
  const { workload, findings } = finding;
  const { contenders } = workload;
  const order = findings.map(({ discipline }) => discipline);
  const grid = panelGrid(order.length, width);
  const legend = weightLegend(width);
  const weightSum = contenders.reduce((sum, { share }) => sum + share.weight, 0);
  const weights = [...new Set(contenders.map(({ share }) => share.weight))];
  const levels = weights.map((weight) => ({ weight, line: roundTo((100 * weight) / weightSum, 3) }));
  const spec = {
    data: { values: sharePoints(finding) },
    ...panelsOf('discipline', order, grid),
    spec: {
      width: grid.width,
      height: grid.height,
      layer: [
        {
          data: { values: levels },
          mark: { type: 'rule', strokeDash: [4, 3], strokeWidth: 1 },
          encoding: { y: { field: 'line', type: 'quantitative' }, color: { ...WEIGHT_COLOUR, legend } },
        },
        {
          mark: { type: 'line' },
          encoding: {
            x: { field: 'ms', type: 'quantitative', title: 'time, ms', axis: { tickCount: 4, grid: false } },
            y: {
              field: 'percent',
              type: 'quantitative',
              title: 'share, %',
              scale: { type: 'sqrt' },
              axis: { values: [0, 5, 25, 100] },
            },
            color: { ...WEIGHT_COLOUR, legend },
            strokeWidth: { ...WEIGHT_WIDTH, legend },
            detail: { field: 'line' },
          },
        },
      ],
    },
  };
  const lines =
    contenders.length > MOST_LINES
      ? `A line a weight, the mean of its contexts, ${contenders.length} in all`
      : `A line a context, ${contenders.length} of them`;
  return {
    title: `${workload.name}: shares of the link over time`,
    description:
      `${workload.meaning}. ${lines}, the heavier the thicker; dashed, the share that each weight ` +
      'gives when all want to send.',
    spec: spec as TopLevelSpec,
  };
}

/** Percent of the link that each line has in each window. */
function sharePoints({ workload, findings }: WorkloadFinding): object[] {
  const { contenders, durationNs, linkBps } = workload;
  const windowBytes = ((linkBps / 8e9) * durationNs) / WINDOWS;
  const isApart = contenders.length <= MOST_LINES;
  const values: object[] = [];
  for (const { discipline, sentBytes } of findings) {
    for (const [window, row] of sentBytes.entries()) {
      const lines = new Map<number, { readonly weight: number; bytes: number; contexts: number }>();
      for (const [context, bytes] of row.entries()) {
        const weight = contenders[context]?.share.weight ?? 1;
        const key = isApart ? context : weight;
        const line = lines.get(key) ?? { weight, bytes: 0, contexts: 0 };
        line.bytes += bytes;
        line.contexts += 1;
        lines.set(key, line);
      }
      const ms = roundTo((((window + 0.5) / WINDOWS) * durationNs) / 1e6, 4);
      for (const [line, { weight, bytes, contexts }] of lines) {
        const percent = roundTo((100 * bytes) / contexts / windowBytes, 3);
        values.push({ discipline, line, weight, ms, percent });
      }
    }
  }
  return values;
}

/** How long frames waited: the fraction that waited at most so long, a line a class, a panel a discipline. */
export function delaysPlot({ workload, findings }: WorkloadFinding, width: PlotWidth = 'wide'): Plot {
  const order = findings.map(({ discipline }) => discipline);
  const grid = panelGrid(order.length, width);
  const legend = weightLegend(width);
  const values: object[] = [];
  for (const { discipline, delayPercentilesNs } of findings) {
    for (const [index, percentiles] of delayPercentilesNs.entries()) {
      for (const [percent, ns] of percentiles.entries()) {
        values.push({ discipline, weight: WEIGHT_CLASSES[index], percent, us: roundTo(ns / 1000, 3) });
      }
    }
  }
  const spec = {
    data: { values },
    ...panelsOf('discipline', order, grid),
    spec: {
      width: grid.width,
      height: grid.height,
      mark: { type: 'line' },
      encoding: {
        x: {
          field: 'us',
          type: 'quantitative',
          title: 'delay',
          scale: { type: 'log' },
          axis: { values: DECADES_US, labelExpr: DECADE_TEXT, labelOverlap: true },
        },
        y: { field: 'percent', type: 'quantitative', title: 'frames, %', axis: { tickCount: 4 } },
        order: { field: 'percent', type: 'quantitative' },
        color: { ...WEIGHT_COLOUR, legend },
        strokeWidth: { ...WEIGHT_WIDTH, legend },
      },
    },
  };
  return {
    title: `${workload.name}: delay of frames`,
    description: `${workload.meaning}. The percentage of the frames of a weight that left within so much time of joining their queue.`,
    spec: spec as TopLevelSpec,
  };
}

/** The largest gap that was seen of each discipline beside its bound, a panel a workload. */
export function boundsPlot(findings: readonly WorkloadFinding[], width: PlotWidth): Plot {
  const order = findings.map(({ workload }) => workload.name);
  const disciplines = findings[0]?.findings.map(({ discipline }) => discipline) ?? [];
  const { left } = rowLabels(disciplines, [], width);
  const grid = panelGrid(order.length, width, left);
  const marks = ['largest gap', 'bound'];
  const values = findings.flatMap(({ workload, findings: rows }) =>
    rows.flatMap(({ discipline, largestGapBytes, boundBytes }) => [
      { workload: workload.name, discipline, mark: 'largest gap', bytes: Math.max(1, largestGapBytes) },
      ...(boundBytes === null
        ? []
        : [{ workload: workload.name, discipline, mark: 'bound', bytes: Math.max(1, boundBytes) }]),
    ]),
  );
  const spec = {
    data: { values },
    ...panelsOf('workload', order, grid),
    spec: {
      width: grid.width,
      height: { step: 16 },
      mark: { type: 'point', size: 45, strokeWidth: 1.8 },
      encoding: {
        y: {
          field: 'discipline',
          type: 'nominal',
          sort: disciplines,
          title: null,
          axis: { grid: true, ticks: false, labelColor: PLOT_INK.text },
        },
        x: {
          field: 'bytes',
          type: 'quantitative',
          title: 'bytes a unit of weight',
          scale: { type: 'log' },
          axis: { tickCount: 3, format: '~s' },
        },
        shape: {
          field: 'mark',
          type: 'nominal',
          scale: { domain: marks, range: ['circle', 'triangle-left'] },
          legend: legendAbove(marks, width, left),
        },
        color: {
          field: 'mark',
          type: 'nominal',
          scale: { domain: marks, range: [PLOT_COLOURS[0], PLOT_COLOURS[3]] },
          legend: legendAbove(marks, width, left),
        },
      },
    },
  };
  return {
    title: 'Largest gaps and bounds, a panel a workload',
    description:
      'Points on a logarithmic axis: circles are the largest difference of normalised service between two contexts, triangles what the discipline promises for that pair.',
    spec: spec as TopLevelSpec,
  };
}

function roundTo(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
