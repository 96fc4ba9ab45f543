import type { FigureParameter, ReportFigure } from '../report/html/figure.js';
import { idOf } from '../report/html/markup.js';
import { microseconds, whole } from '../report/number-text.js';
import { bothWidths } from '../report/plots/width.js';
import { boundsPlot, delaysPlot, sharesPlot } from './fairness-plots.js';
import type { WorkloadFinding } from './fairness-study.js';
import { WEIGHT_CLASSES } from './workload.js';

/** What is said under every figure of a study. */
export interface FigureOrigin {
  readonly repeat: string;
  readonly parameters: readonly FigureParameter[];
}

/** Gaps against bounds, all workloads. */
export function boundsFigure(findings: readonly WorkloadFinding[], origin: FigureOrigin): ReportFigure {
  return {
    id: 'bounds',
    title: 'Largest gaps against published bounds',
    sentence:
      'A circle is the largest difference of service, over weight, between two contexts that both had frames waiting; a triangle is what the discipline promises for that pair, and where there is none it promises nothing.',
    plot: bothWidths((width) => boundsPlot(findings, width)),
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
    ...origin,
  };
}

/** Shares over time of one workload. */
export function sharesFigure(finding: WorkloadFinding, origin: FigureOrigin): ReportFigure {
  const { workload, findings } = finding;
  const classes = WEIGHT_CLASSES.slice(0, workload.contenders.length);
  return {
    id: `${idOf(workload.name)}-shares`,
    title: `${capital(workload.name)}: shares of the link over time`,
    sentence:
      'What each context got of the link in each fiftieth of the run, the heavier the thicker; dashed levels are what weights give when all want to send. The axis is a square root, so that small shares are seen.',
    plot: bothWidths((width) => sharesPlot(finding, width)),
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
    ...origin,
  };
}

/** Delays of one workload. */
export function delaysFigure(finding: WorkloadFinding, origin: FigureOrigin): ReportFigure {
  const { workload, findings } = finding;
  const classes = WEIGHT_CLASSES.slice(0, workload.contenders.length);
  return {
    id: `${idOf(workload.name)}-delays`,
    title: `${capital(workload.name)}: delay of frames`,
    sentence:
      'How many of the frames of a weight had left within so much time of joining their queue: the further left a line, the sooner they went.',
    plot: bothWidths((width) => delaysPlot(finding, width)),
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
    ...origin,
  };
}

/** With its first letter as a title has it. */
export function capital(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
}
