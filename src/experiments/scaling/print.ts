import { printStatements } from '../checked-statement.js';
import { printFigures, textTable } from '../reference-figure.js';
import { type Spread, spreadText } from '../several-seeds.js';
import { CORES, FRAME_BYTES, RING_SLOTS } from './machine.js';
import type { GreedyPoint, QuietPoint, ScalingPoint, ScalingResult } from './result.js';
import type { UnitChangePoint } from './unit-changes.js';

/** The sweep as text: with everybody sending, then with little traffic, then what was expected. */
export function printScaling({ seeds, points, statements, figures, ...result }: ScalingResult): string {
  const [first] = points;
  const last = points.at(-1);
  return [
    `1 to ${last?.guests.toLocaleString('en')} guests on a port of 10 Gb/s and ${CORES} cores of 2.4 GHz, rings of ${RING_SLOTS}, ${seeds} seeds: mean (least-most).`,
    '',
    `Every guest sends frames of ${FRAME_BYTES} bytes as fast as it can. Not looked at: the first ${milli(first?.greedy?.warm_up_ns)} ms`,
    `with one guest to ${milli(last?.greedy?.warm_up_ns)} ms with ${last?.guests.toLocaleString('en')}; looked at: the next ${milli(first?.greedy?.window_ns)} to ${milli(last?.greedy?.window_ns)} ms.`,
    '',
    textTable(GREEDY_HEADS, points.map(greedyRow)),
    ...points
      .filter(({ impossible }) => impossible !== undefined)
      .map(
        ({ approach, guests, impossible }) =>
          `${approach} with ${guests} guests cannot be set up: ${impossible}`,
      ),
    '',
    'apart: guests that are kept from each other, of all. cores: at work for hypervisor + driver domain + guests. wait: from',
    'the store to the wire. gap: largest between two contexts, of the bound. phys, virt: interrupts, 1000 a second. reads: of memory,',
    'by the walks of the IOMMU.',
    '',
    'All guests together use a tenth of the wire each way (Poisson). us to the wire, and from the wire to the guest.',
    `Not looked at: the first ${milli(result.quiet_warm_up_ns)} ms; looked at: the next ${milli(result.quiet_window_ns)} ms.`,
    '',
    textTable(QUIET_HEADS, points.filter(({ quiet }) => quiet !== undefined).map(quietRow)),
    '',
    'Everybody sends again, and one thing of the IOMMU is changed.',
    '',
    textTable(CHANGE_HEADS, result.unit_changes.map(changeCells)),
    '',
    printStatements(statements),
    '',
    printFigures(figures),
    '',
    `Nothing is fitted. Seed ${result.seed}.`,
  ].join('\n');
}

const GREEDY_HEADS = [
  'approach',
  'guests',
  'apart',
  'Gb/s',
  'cores',
  'wait p50 ms',
  'p99',
  'Jain',
  'gap',
  'phys',
  'virt',
  'hypercalls/frame',
  'IOTLB hits',
  'walks/frame',
  'reads/frame',
];

function greedyRow({ approach, guests, kept_apart, greedy }: ScalingPoint): string[] {
  const start = [approach, `${guests}`, `${kept_apart}`];
  return [...start, ...(greedy === undefined ? ['none'] : greedyCells(greedy))];
}

/** What was measured, in the order of the heads. */
export function greedyCells(greedy: GreedyPoint): string[] {
  const { hypervisor, driver_domain, guests } = greedy.cpu_cores;
  return [
    spreadText(greedy.goodput_gbps, 2),
    [hypervisor, driver_domain, guests].map(({ mean }) => mean.toFixed(2)).join(' + '),
    spreadText(scaled(greedy.wait_p50_us, 1000), 2),
    spreadText(scaled(greedy.wait_p99_us, 1000), 2),
    greedy.jain_index.mean.toFixed(4),
    greedy.gap_bytes === undefined
      ? '-'
      : `${greedy.gap_bytes.most.toFixed(0)} of ${greedy.gap_bound_bytes?.least.toFixed(0)}`,
    (greedy.physical_interrupts_per_s.mean / 1000).toFixed(0),
    (greedy.virtual_interrupts_per_s.mean / 1000).toFixed(0),
    greedy.hypercalls_per_frame.mean.toFixed(2),
    greedy.iotlb_hit_rate === undefined ? '-' : `${(greedy.iotlb_hit_rate.mean * 100).toFixed(0)} %`,
    greedy.walks_per_frame?.mean.toFixed(2) ?? '-',
    greedy.walk_reads_per_frame?.mean.toFixed(1) ?? '-',
  ];
}

export const CHANGE_HEADS = ['approach', 'guests', 'changed', 'Gb/s', 'walks a frame', 'their reads a frame'];

/** What came of a change of the IOMMU, in the order of the heads. */
export function changeCells(point: UnitChangePoint): string[] {
  return [
    point.approach,
    `${point.guests}`,
    point.change,
    spreadText(point.goodput_gbps, 2),
    spreadText(point.walks_per_frame, 2),
    spreadText(point.walk_reads_per_frame),
  ];
}

const QUIET_HEADS = ['approach', 'guests', 'send p50', 'p99', 'receive p50', 'p99'];

function quietRow({ approach, guests, quiet }: ScalingPoint): string[] {
  return [approach, `${guests}`, ...(quiet === undefined ? [] : quietCells(quiet))];
}

/** Likewise, us. */
export function quietCells(quiet: QuietPoint): string[] {
  return [quiet.send_p50_us, quiet.send_p99_us, quiet.receive_p50_us, quiet.receive_p99_us].map((spread) =>
    spreadText(spread),
  );
}

function scaled({ mean, least, most }: Spread, unit: number): Spread {
  return { mean: mean / unit, least: least / unit, most: most / unit };
}

function milli(ns: number | undefined): string {
  return ns === undefined ? '-' : (ns / 1e6).toFixed(0);
}
