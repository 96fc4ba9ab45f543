import type { FigureParameter, ReportFigure } from '../../report/html/figure.js';
import { bothSpecs } from '../../report/plots/width.js';
import { statementsFigure } from '../checked-statement.js';
import { EXPECTED } from './expected.js';
import { CORES, FRAME_BYTES, QUIET_BPS, RING_SLOTS } from './machine.js';
import { linePanels, type Mark, stackPanels } from './plots.js';
import { CHANGE_HEADS, changeCells, greedyCells, quietCells } from './print.js';
import type { GreedyPoint, ScalingPoint, ScalingResult } from './result.js';
import {
  cpuSentence,
  goodputSentence,
  interruptsSentence,
  iotlbSentence,
  latencySentence,
  waitSentence,
  walksSentence,
} from './sentences.js';

/** What the report shows of the sweep. */
export function scalingReportFigures(result: ScalingResult, repeat: string): ReportFigure[] {
  const { points } = result;
  const parameters: FigureParameter[] = [
    { name: 'wire', value: '10 Gb/s' },
    { name: 'CPU', value: `${CORES} cores of 2.4 GHz, guests by turns` },
    { name: 'frames', value: `${FRAME_BYTES} bytes` },
    { name: 'rings', value: `${RING_SLOTS} slots, every guest` },
    { name: 'contexts', value: 'one a guest (driver domain: one)' },
    { name: 'discipline', value: 'deficit round robin' },
    { name: 'seeds', value: `${result.seeds}, from ${result.seed}` },
    { name: 'warm-up', value: 'not looked at: 3 ms and one and a half times what all rings hold' },
  ];
  const greedyTable = {
    heads: [
      'approach',
      'guests',
      'Gb/s',
      'cores: hypervisor + driver domain + guests',
      'wait p50, ms',
      'wait p99, ms',
      "Jain's index",
      'gap of bound, bytes',
      'physical interrupts, 1000/s',
      'virtual interrupts, 1000/s',
      'hypercalls a frame',
      'IOTLB hits',
      'walks a frame',
      'memory reads of walks a frame',
    ],
    rows: points.map(({ approach, guests, greedy, impossible }) => [
      approach,
      `${guests}`,
      ...(greedy === undefined ? [`none: ${impossible}`] : greedyCells(greedy)),
    ]),
  };
  const shared = { repeat, parameters, table: greedyTable };
  const marks = (kinds: Readonly<Record<string, (greedy: GreedyPoint) => number | undefined>>) =>
    marksOf(points, kinds);
  return [
    {
      ...shared,
      id: 'scaling-goodput',
      title: 'Goodput against guests',
      sentence: goodputSentence(points),
      plot: bothSpecs(
        'Goodput against guests',
        'Goodput of all guests; the rule is what the wire carries.',
        (width) =>
          linePanels(width, marks({ goodput: ({ goodput_gbps }) => goodput_gbps.mean }), 'Gb/s', {
            rule: EXPECTED.goodput.value,
          }),
      ),
    },
    {
      ...shared,
      id: 'scaling-wait',
      title: 'Wait for the wire against guests, everybody sending',
      sentence: waitSentence(points),
      plot: bothSpecs(
        'Wait for the wire, everybody sending',
        'Median and 99th percentile from the store to the last bit on the wire, both axes logarithmic.',
        (width) =>
          linePanels(
            width,
            marks({
              p50: ({ wait_p50_us }) => wait_p50_us.mean,
              p99: ({ wait_p99_us }) => wait_p99_us.mean,
            }),
            'wait, us',
            { logarithmic: true },
          ),
      ),
    },
    {
      ...shared,
      id: 'scaling-latency',
      title: 'Latency against guests with a tenth of the wire used',
      sentence: latencySentence(points),
      table: {
        heads: ['approach', 'guests', 'send p50, us', 'send p99, us', 'receive p50, us', 'receive p99, us'],
        rows: points.map(({ approach, guests, quiet, impossible }) => [
          approach,
          `${guests}`,
          ...(quiet === undefined ? [`none: ${impossible}`] : quietCells(quiet)),
        ]),
      },
      parameters: [
        ...parameters.slice(0, -1),
        {
          name: 'traffic',
          value: `Poisson, ${QUIET_BPS / 1e9} Gb/s of the wire each way, of all guests together`,
        },
        { name: 'warm-up', value: `not looked at: ${result.quiet_warm_up_ns / 1e6} ms` },
      ],
      plot: bothSpecs(
        'Latency with a tenth of the wire used',
        '99th percentile of the time to the wire, and from the wire to the guest.',
        (width) => linePanels(width, quietMarks(points), '99th percentile, us', { logarithmic: true }),
      ),
    },
    {
      ...shared,
      id: 'scaling-cpu',
      title: 'CPU by domain against guests',
      sentence: cpuSentence(points),
      plot: bothSpecs(
        'CPU by domain against guests',
        'Cores at work, stacked: hypervisor below, driver domain, guests above.',
        (width) =>
          stackPanels(
            width,
            marks({
              hypervisor: ({ cpu_cores }) => cpu_cores.hypervisor.mean,
              'driver domain': ({ cpu_cores }) => cpu_cores.driver_domain.mean,
              guests: ({ cpu_cores }) => cpu_cores.guests.mean,
            }),
          ),
        { hatched: true },
      ),
    },
    {
      ...shared,
      id: 'scaling-interrupts',
      title: 'Interrupts against guests',
      sentence: interruptsSentence(points),
      plot: bothSpecs(
        'Interrupts against guests',
        'Physical and virtual interrupts, thousands a second.',
        (width) =>
          linePanels(
            width,
            marks({
              physical: ({ physical_interrupts_per_s }) => physical_interrupts_per_s.mean / 1000,
              virtual: ({ virtual_interrupts_per_s }) => virtual_interrupts_per_s.mean / 1000,
            }),
            '1000/s',
            {},
          ),
      ),
    },
    {
      ...shared,
      id: 'scaling-iotlb',
      title: 'IOTLB hit rate against guests',
      sentence: iotlbSentence(points),
      plot: bothSpecs(
        'IOTLB hit rate against guests',
        'Translations that the IOTLB holds, of all.',
        (width) =>
          linePanels(
            width,
            marks({
              hits: ({ iotlb_hit_rate }) =>
                iotlb_hit_rate === undefined ? undefined : iotlb_hit_rate.mean * 100,
            }),
            'hits, %',
            {},
          ),
      ),
    },
    {
      ...shared,
      id: 'scaling-walks',
      title: 'What the card waits for when it waits for walks',
      sentence: walksSentence(result),
      table: { heads: CHANGE_HEADS, rows: result.unit_changes.map(changeCells) },
    },
    {
      ...statementsFigure(result.statements, { id: 'scaling-statements', repeat, parameters }),
      title: 'What the design promises',
      sentence: `Of ${result.statements.length} statements ${result.statements.filter(({ holds }) => holds).length} hold at every point; each line names those at which it does not.`,
    },
  ];
}

function marksOf(
  points: readonly ScalingPoint[],
  kinds: Readonly<Record<string, (greedy: GreedyPoint) => number | undefined>>,
): Mark[] {
  return points.flatMap(({ approach, guests, greedy }) =>
    greedy === undefined
      ? []
      : Object.entries(kinds).flatMap(([kind, pick]) => {
          const value = pick(greedy);
          return value === undefined ? [] : [{ approach, guests, kind, value }];
        }),
  );
}

function quietMarks(points: readonly ScalingPoint[]): Mark[] {
  return points.flatMap(({ approach, guests, quiet }) =>
    quiet === undefined
      ? []
      : [
          { approach, guests, kind: 'send', value: quiet.send_p99_us.mean },
          { approach, guests, kind: 'receive', value: quiet.receive_p99_us.mean },
        ],
  );
}
