import { contextId } from '../../scheduler/branded.js';
import { present } from '../../scheduler/present.js';
import { type Chart, type LegendEntry, type Mark, seriesOf } from '../report/charts/chart.js';
import type { ReportFigure } from '../report/html/figure.js';
import { idOf } from '../report/html/markup.js';
import { microseconds, whole } from '../report/number-text.js';
import { WINDOWS, type WorkloadFinding } from './fairness-study.js';
import { classOf, WEIGHT_CLASSES } from './workload.js';

/** More contexts than these are drawn as a line per weight: the mean of those that have it. */
const MOST_LINES = 16;
/** The heavier, the thicker: weights can be told apart without their colours. */
const WIDTHS = [0.9, 1.4, 2.1, 3];

const WEIGHTS: readonly LegendEntry[] = WEIGHT_CLASSES.map((weight, index) => ({
  text: `weight ${weight}`,
  style: seriesOf(index),
  as: 'line',
  width: WIDTHS[index] ?? 1,
}));

function lineOf(index: number, points: readonly (readonly [number, number])[]): Mark {
  return { kind: 'line', points, style: seriesOf(index), width: WIDTHS[index] ?? 1 };
}

/** Gaps against bounds, all workloads. */
export function boundsFigure(findings: readonly WorkloadFinding[]): ReportFigure {
  return {
    id: 'bounds',
    title: 'Largest gaps against published bounds',
    sentence:
      'A circle is the largest difference of service, over weight, between two contexts that both had frames waiting; a triangle is what the discipline promises for that pair, and where there is none it promises nothing.',
    chart: {
      title: 'Largest gaps and bounds, a panel per workload',
      description:
        'Points on a logarithmic axis: circles are the largest difference of normalised service between two contexts, triangles what the discipline promises for that pair.',
      x: { title: 'bytes per unit of weight', scale: 'log' },
      y: { scale: 'rows', rows: findings[0]?.findings.map(({ discipline }) => discipline) ?? [] },
      legend: [
        { text: 'largest gap', style: 1, as: 'circle', hollow: true },
        { text: 'bound', style: 4, as: 'triangle', hollow: true },
      ],
      panels: findings.map(({ workload, findings: rows }) => ({
        title: workload.name,
        marks: rows.flatMap(({ discipline: y, largestGapBytes, boundBytes }): Mark[] => [
          { kind: 'point', x: Math.max(1, largestGapBytes), y, style: 1, hollow: true },
          ...(boundBytes === null
            ? []
            : [
                {
                  kind: 'point',
                  x: Math.max(1, boundBytes),
                  y,
                  style: 4,
                  shape: 'triangle',
                  hollow: true,
                } as const,
              ]),
        ]),
      })),
    },
    table: {
      heads: [
        'workload',
        'discipline',
        'largest gap, B/weight',
        'bound, B/weight',
        'pair',
        'pairs beyond it',
      ],
      rows: findings.flatMap(({ workload, findings: rows }) =>
        rows.map(({ discipline, largestGapBytes, boundBytes, pair, broken }) => [
          workload.name,
          discipline,
          whole(largestGapBytes),
          boundBytes === null ? '-' : whole(boundBytes),
          pair === null ? '-' : `${pair[0]} and ${pair[1]}`,
          `${broken}`,
        ]),
      ),
    },
  };
}

/** Shares over time of one workload. */
export function sharesFigure(finding: WorkloadFinding): ReportFigure {
  const { workload, findings } = finding;
  const classes = WEIGHT_CLASSES.slice(0, workload.contenders.length);
  return {
    id: `${idOf(workload.name)}-shares`,
    title: `${capital(workload.name)}: shares of the link over time`,
    sentence:
      'What each context got of the link in each fiftieth of the run, the heavier the thicker; dashed levels are what weights give when all want to send. The axis is a square root, so that small shares are seen.',
    chart: sharesChart(finding),
    table: {
      heads: [
        'discipline',
        "Jain's index",
        'in each window',
        ...classes.map((weight) => `weight ${weight}, got of its due`),
      ],
      rows: findings.map(({ discipline, jainIndex, windowJainIndex, gotOfDue }) => [
        discipline,
        jainIndex.toFixed(4),
        windowJainIndex.toFixed(4),
        ...gotOfDue.map((got) => got.toFixed(3)),
      ]),
    },
  };
}

/** Shares of the link over time, a panel per discipline; dashed, what a weight alone would give. */
export function sharesChart({ workload, findings }: WorkloadFinding): Chart {
  const { contenders, durationNs, linkBps } = workload;
  const weightSum = contenders.reduce((sum, { share }) => sum + share.weight, 0);
  const windowBytes = ((linkBps / 8e9) * durationNs) / WINDOWS;
  const isApart = contenders.length <= MOST_LINES;
  const levels = WEIGHT_CLASSES.slice(0, contenders.length).map(
    (weight, index): Mark => ({
      kind: 'rule',
      y: (100 * weight) / weightSum,
      style: seriesOf(index),
      dash: 4,
      width: 1,
    }),
  );
  const contexts = contenders.map((_, context) => contextId(context));
  // A line per context, or the mean of those of a weight.
  const lines = isApart
    ? contexts.map((context) => [context])
    : WEIGHT_CLASSES.map((_, index) => contexts.filter((context) => classOf(context) === index));
  return {
    title: `${workload.name}: shares of the link over time`,
    description: `${workload.meaning}. A line per ${isApart ? 'context' : 'weight, the mean of its contexts'}, ${contenders.length} contexts in all, the heavier the thicker; dashed, the share that each weight gives when all want to send.`,
    x: { title: 'time, ms', grid: false },
    y: { title: 'share, %', scale: 'sqrt', ticks: [0, 5, 25, 100] },
    legend: WEIGHTS,
    panels: findings.map(({ discipline, sentBytes }) => ({
      title: discipline,
      marks: [
        ...levels,
        ...lines.map((members) =>
          lineOf(
            classOf(present(members[0])),
            sentBytes.map((row, window) => {
              const bytes = members.reduce((sum, context) => sum + present(row[context]), 0) / members.length;
              return [(((window + 0.5) / WINDOWS) * durationNs) / 1e6, (100 * bytes) / windowBytes];
            }),
          ),
        ),
      ],
    })),
  };
}

/** Delays of one workload. */
export function delaysFigure(finding: WorkloadFinding): ReportFigure {
  const { workload, findings } = finding;
  const classes = WEIGHT_CLASSES.slice(0, workload.contenders.length);
  return {
    id: `${idOf(workload.name)}-delays`,
    title: `${capital(workload.name)}: delay of frames`,
    sentence:
      'How many of the frames of a weight had left within so much time of joining their queue: the further left a line, the sooner they went.',
    chart: delaysChart(finding),
    table: {
      heads: [
        'discipline',
        ...classes.flatMap((weight) => [
          `weight ${weight}: frames`,
          `${weight}: p50, us`,
          `${weight}: p99, us`,
        ]),
      ],
      rows: findings.map(({ discipline, delays }) => [
        discipline,
        ...delays.flatMap(({ frames, p50Ns, p99Ns }) => [
          whole(frames),
          microseconds(p50Ns),
          microseconds(p99Ns),
        ]),
      ]),
    },
  };
}

/** The fraction of frames that waited at most so long, a line per weight, a panel per discipline. */
export function delaysChart({ workload, findings }: WorkloadFinding): Chart {
  return {
    title: `${workload.name}: delay of frames`,
    description: `${workload.meaning}. The percentage of the frames of a weight that left within so much time of joining their queue.`,
    x: {
      title: 'delay',
      scale: 'log',
      ticks: [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000],
      label: (us) => (us >= 1000 ? `${(us / 1000).toLocaleString('en')} ms` : `${us} us`),
    },
    y: { title: 'frames, %' },
    legend: WEIGHTS,
    panels: findings.map(({ discipline, delayPercentilesNs }) => ({
      title: discipline,
      marks: delayPercentilesNs.map((percentiles, index) =>
        lineOf(
          index,
          percentiles.map((ns, percent) => [ns / 1000, percent]),
        ),
      ),
    })),
  };
}

/** With its first letter as a title has it. */
export function capital(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
}
