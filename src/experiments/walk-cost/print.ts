import { percent, printFigures, textTable } from '../reference-figure.js';
import { PAGE_NS, TABLE_READ_NS, TOLERANCE, UPPER_READS_LEFT } from './published.js';
import type { WalkCostResult, WalkPoint } from './reproduce.js';

/** The sweep as text, then the published figures. */
export function printWalkCost(result: WalkCostResult): string {
  const { points } = result;
  const bound = points.filter(({ error }) => error !== undefined);
  const far = bound.filter(({ error }) => Math.abs(error ?? 0) > TOLERANCE);
  return [
    `Throughput against table reads a page (M): 4 KB frames received at 100 Gb/s, one walker, ${result.seeds} seeds.`,
    `Line: T = 4 KB / (${PAGE_NS} ns + M x ${TABLE_READ_NS} ns). It speaks of points that the walker limits.`,
    `Warm-up ${result.warm_up_ns / 1e6} ms, not looked at; window ${result.window_ns / 1e6} ms. No CPU or invalidation time.`,
    '',
    textTable(
      [
        'strategy',
        'flows',
        'ring',
        'IOTLB',
        'M',
        'walks/page',
        'Gb/s',
        'line',
        'error',
        'limit',
        'of IOMMU off',
      ],
      points.map(row),
    ),
    '',
    `${bound.length - far.length} of ${bound.length} points that the walker limits lie within ` +
      `${TOLERANCE * 100} % of the line for their own M.`,
    ...far.map(
      (point) =>
        `  ${point.strategy}, ${point.flows} flows, ring ${point.ring_slots}: ${percent(point.error ?? 0)}. ` +
        `The line counts ${PAGE_NS} ns once a page; here a walk costs it, and there are ${point.walks_per_page.toFixed(2)} a page.`,
    ),
    `Reads above the last level, contiguous: at most ${mostUpper(points)} a page ([S] paper: ${UPPER_READS_LEFT}).`,
    '',
    printFigures(result.figures),
    '',
    `The line's two numbers are given to the machine; M, the misses and the rates are predicted. Seed ${result.seed}.`,
  ].join('\n');
}

function row(point: WalkPoint): string[] {
  return [
    point.strategy,
    `${point.flows}`,
    `${point.ring_slots}`,
    `${point.iotlb_entries}`,
    point.reads_per_page.toFixed(2),
    point.walks_per_page.toFixed(2),
    point.emulated_gbps.toFixed(1),
    point.model_gbps.toFixed(1),
    point.error === undefined ? '-' : percent(point.error),
    point.bound_by,
    `${(point.share_of_off * 100).toFixed(0)} %`,
  ];
}

function mostUpper(points: readonly WalkPoint[]): string {
  const upper = points
    .filter(({ strategy }) => strategy === 'contiguous')
    .map((point) => point.upper_reads_per_page);
  return Math.max(...upper).toFixed(3);
}
