import { printStatements } from '../checked-statement.js';
import { titleOf } from '../mapping-approaches.js';
import { printFigures, textTable } from '../reference-figure.js';
import { plainText, type Spread, spreadText } from '../several-seeds.js';
import type { StrategyPoint } from './measure.js';
import type { StrategiesResult } from './reproduce.js';
import { WARM_UP_NS, WORKLOADS } from './workloads.js';

/** A table a workload, then what was published. */
export function printStrategies(result: StrategiesResult): string {
  return [
    `Ways to map under five kinds of traffic: one guest, one core of 2.4 GHz, one port of 2 Gb/s, ${result.seeds} seeds; costs as`,
    `reproduce cdna-2007 found them. Not looked at: the first ${WARM_UP_NS / 1e6} ms. CPU in percent of the core; protection is CPU less that of none.`,
    '',
    ...WORKLOADS.flatMap(({ name, title, meaning, timed, windowNs }) => [
      `${title}: ${meaning}; looked at ${windowNs / 1e6} ms. Latency: ${timed}.`,
      workloadTable(result.points.filter(({ workload }) => workload === name)),
      '',
    ]),
    printFigures(result.figures),
    '',
    printStatements(result.statements),
    '',
    `Nothing was fitted. What ATC 2008 measured in percent of the CPU was not found in a source. Seed ${result.seed}.`,
  ].join('\n');
}

function workloadTable(points: readonly StrategyPoint[]): string {
  return textTable(
    [
      'approach',
      'frames/s',
      'dropped',
      'CPU',
      'protection',
      'ns/frame',
      'reuse %',
      'calls/frame',
      'calls/DMA',
      'IOTLB hits %',
      'p50 us',
      'p99 us',
    ],
    points.map((point) => [
      titleOf(point.approach),
      point.frames_per_s.mean.toFixed(0),
      point.frames_dropped.toFixed(0),
      spreadText(point.cpu_percent),
      point.approach === 'none' ? '-' : spreadText(point.protection_percent),
      point.approach === 'none' ? '-' : plainText(point.protection_ns_per_frame.mean, 0),
      optional(point.reuse_percent),
      spreadText(point.hypercalls_per_frame, 2),
      spreadText(point.hypercalls_per_dma, 2),
      optional(point.iotlb_hit_percent),
      spreadText(point.latency_p50_us, 2),
      spreadText(point.latency_p99_us, 2),
    ]),
  );
}

function optional(spread: Spread | undefined): string {
  return spread === undefined ? '-' : spreadText(spread);
}
