import type { Mark } from '../../report/charts/chart.js';
import type { ReportFigure } from '../../report/html/figure.js';
import { sweepPoints } from '../../sweep/points.js';
import { defineExperiment } from '../experiment.js';
import { metricsOf } from '../measures.js';
import { metricTable } from '../metric-figures.js';
import { publishedFigure, publishedSentence } from '../published.js';
import {
  CASES,
  FRAME_NS,
  LEAVING,
  MEASURES,
  type NestedPoint,
  type NestedStrictResult,
  nestedStrictResult,
  SEEDS,
  type TailWrite,
  WARM_UP_NS,
  WINDOW_NS,
} from './measure.js';
import { FRAMES_PER_MAPPING, HELD, TRAPPED } from './published.js';

const METRICS = metricsOf<never, typeof MEASURES>(MEASURES);
const SIGNS = {
  trapped: { style: 4, shape: 'circle' },
  'trapped, waiters stay': { style: 3, shape: 'triangle' },
  untrapped: { style: 1, shape: 'square' },
} as const satisfies Readonly<Record<TailWrite, object>>;
const WRITES = Object.keys(SIGNS) as TailWrite[];

/** Why strict invalidation collapses in a guest with many cores whose queue is written through a trap. */
export const nestedStrict = defineExperiment({
  name: 'nested-strict',
  question: 'why does strict invalidation collapse in a nested guest with many cores?',
  storedUrl: new URL('./result.json', import.meta.url),
  async measure({ seed, threads, progress }) {
    const rows = await sweepPoints(threads, 'nested-strict/run', CASES, { seed, seeds: SEEDS }, (done, of) =>
      progress(done / of, 'runs'),
    );
    return nestedStrictResult(seed, rows);
  },
  present: (result: NestedStrictResult) => ({
    answer: answerOf(result),
    parameters: [
      { name: 'frames', value: `4,000 bytes, ${FRAME_NS} ns of CPU each (found), a receive queue per core` },
      {
        name: 'maps',
        value: `one page in ${FRAMES_PER_MAPPING} frames is unmapped and another mapped (given)`,
      },
      {
        name: 'lock held',
        value: `${HELD.submissionNs} ns per unmap, ${HELD.tailWriteNs} ns more for the trapped write, ${HELD.mapNs} ns per map (given)`,
      },
      {
        name: 'waiters',
        value: `leave the guest after ${LEAVING.spinLimitNs / 1e3} us, are back ${LEAVING.returnNs / 1e3} us after they get the lock (found)`,
      },
      { name: 'warm-up, window', value: `${WARM_UP_NS / 1e6} ms, ${WINDOW_NS / 1e6} ms` },
      { name: 'seeds', value: `${result.seeds}, from ${result.seed}` },
    ],
    figures: [throughputFigure(result.points), publishedFigure(result.figures, 'nested-strict-published')],
    notes: [
      'Found from published rows with the trapped write: CPU time of a frame (1 core), how long waiters stay away (16 cores), after how long they leave (8 cores, which do not collapse, and 16, which do). Predicted: 2, 4 and 20 cores, and the three rows without the trapped write.',
    ],
  }),
});

function answerOf({ points, figures }: NestedStrictResult): string {
  const rate = (tailWrite: TailWrite, cores: number) =>
    points.find((one) => one.tailWrite === tailWrite && one.cores === cores)?.gbps.mean.toFixed(0);
  return (
    `With a trapped write of the queue's tail throughput rises to ${rate('trapped', 8)} Gb/s at 8 cores, where the lock is nearly always held, and falls to ` +
    `${rate('trapped', 16)} at 16, because waiters have left the guest when they are handed the lock; if they stayed it would be ` +
    `${rate('trapped, waiters stay', 16)}, and without the trap it is ${rate('untrapped', 16)}. ${publishedSentence(figures)}`
  );
}

function throughputFigure(points: readonly NestedPoint[]): ReportFigure {
  const cores = [...new Set(points.map((point) => point.cores))];
  return {
    id: 'nested-strict-throughput',
    title: 'Throughput by cores',
    sentence:
      'Strict invalidation in a guest whose cores share one queue and its lock: with the write of the tail trapped, the same if waiters never left the guest, and without the trap. Hollow circles are what was published for the first.',
    chart: {
      title: 'Throughput by cores',
      description: points
        .map(
          ({ tailWrite, cores: count, gbps }) => `${tailWrite}, ${count} cores: ${gbps.mean.toFixed(0)} Gb/s`,
        )
        .join('; '),
      x: { title: 'cores', ticks: cores },
      y: { title: 'Gb/s', domain: [0, 420] },
      legend: WRITES.map((text) => ({ text, style: SIGNS[text].style, as: SIGNS[text].shape })),
      panels: [
        {
          marks: [
            ...WRITES.flatMap((tailWrite, dash): Mark[] => {
              const line = points
                .filter((point) => point.tailWrite === tailWrite)
                .map((point) => [point.cores, point.gbps.mean] as const);
              return [
                { kind: 'line', points: line, style: SIGNS[tailWrite].style, dash },
                ...line.map(([x, y]): Mark => ({ kind: 'point', x, y, ...SIGNS[tailWrite] })),
              ];
            }),
            ...Object.entries(TRAPPED).map(
              ([x, { value }]): Mark => ({
                kind: 'point',
                x: Number(x),
                y: value,
                style: 4,
                shape: 'circle',
                hollow: true,
              }),
            ),
          ],
        },
      ],
    },
    table: metricTable(
      [
        ['tail write', ({ tailWrite }) => tailWrite],
        ['cores', ({ cores: count }) => `${count}`],
      ],
      Object.values(METRICS),
      points,
    ),
  };
}
