import type { GuestResult, RunResult } from '../machine/run-result.js';
import { counts, decimal, megabits, microseconds, percent, whole } from './number-text.js';
import { plainTable } from './plain-table.js';
import { headingLine, type RunHeading } from './run-heading.js';

type Cell = readonly [head: string, cell: (guest: GuestResult) => string];

const GUEST: readonly Cell[] = [
  ['out\nMb/s', (guest) => megabits(guest.transmitGoodputBps)],
  ['frames\noffered', (guest) => whole(guest.framesOffered)],
  ['frames\nout', (guest) => whole(guest.framesTransmitted)],
  ['p50\nus', (guest) => microseconds(guest.latencyNs?.p50Ns)],
  ['p99\nus', (guest) => microseconds(guest.latencyNs?.p99Ns)],
  ['of its\ndue', (guest) => (Number.isNaN(guest.fairShareGot) ? '-' : decimal(guest.fairShareGot, 3))],
  ['in\nMb/s', (guest) => megabits(guest.receiveGoodputBps)],
  ['frames\nin', (guest) => whole(guest.framesReceived)],
];

/** One run, guest by guest, and what it took. */
export function runText(heading: RunHeading, run: RunResult): string {
  const columns = [
    { head: 'guest', align: 'left' as const },
    ...GUEST.map(([head]) => ({ head, align: 'right' as const })),
  ];
  const rows = run.guests.map((guest) => [guest.name, ...GUEST.map(([, cell]) => cell(guest))]);
  const gap =
    run.fairness.boundBytes === undefined ? 'no bound promised' : `bound ${whole(run.fairness.boundBytes)}`;
  const latency = run.latencyNs.transmit;
  const cpu = run.cpu.domains.map(({ name, fraction }) => `${name} ${percent(fraction)} %`).join(', ');
  const held = run.laws.filter((law) => law.held).length;
  const facts: [string, string][] = [
    ['goodput', `${megabits(run.goodputBps)} Mb/s out, ${megabits(run.receiveGoodputBps)} Mb/s in`],
    [
      'latency out',
      latency === undefined
        ? 'nothing was sent'
        : `p50 ${microseconds(latency.p50Ns)} us, p99 ${microseconds(latency.p99Ns)} us, p99.9 ${microseconds(latency.p999Ns)} us`,
    ],
    [
      'fairness',
      `Jain's index ${decimal(run.fairness.jainIndex, 3)}, largest gap ${whole(run.fairness.largestGapBytes)} bytes a unit of weight (${gap})`,
    ],
    ['CPU', `${cpu}, idle ${percent(run.cpu.idleFraction)} %`],
    [
      'gates',
      `set-up: ${whole(run.setUpGate.accepted)} buffers accepted, ${whole(run.setUpGate.refused)} refused; access: ${whole(run.accessGate.denied)} denied`,
    ],
    [
      'hypercalls',
      `${whole(run.hypercalls)}, pins ${whole(run.pins.taken)} taken, ${whole(run.pins.held)} held`,
    ],
    ...balloonFacts(run),
    ['interrupts', `${whole(run.interrupts.physical)} physical, ${whole(run.interrupts.virtual)} virtual`],
    ['drops', counts(run.drops)],
    ['faults', counts(run.faults)],
    ['laws', `${held} of ${run.laws.length} held`],
    ['fingerprint', run.fingerprint],
  ];
  const width = Math.max(...facts.map(([name]) => name.length));
  return [
    `${headingLine(heading)}, ${run.protection}`,
    '',
    plainTable(columns, rows),
    '',
    ...facts.map(([name, value]) => `${name.padEnd(width)}  ${value}`),
  ].join('\n');
}

/** What became of the memory that was asked back, if any was. */
function balloonFacts({ memory }: RunResult): [string, string][] {
  const { balloon } = memory;
  if (balloon === undefined) return [];
  const time = balloon.reclaimNs;
  const late = balloon.lateReads + balloon.lateWrites;
  return [
    [
      'balloon',
      `${whole(balloon.asked)} frames asked for: ${whole(balloon.reclaimed)} reclaimed, ${whole(balloon.waiting)} waiting, ${whole(balloon.refused)} refused`,
    ],
    [
      'reclaim time',
      time === undefined
        ? 'nothing was reclaimed'
        : `p50 ${microseconds(time.p50Ns)} us, p99 ${microseconds(time.p99Ns)} us, longest ${microseconds(time.maxNs)} us`,
    ],
    [
      'pinned',
      `${whole(memory.mostPinnedPages)} pages at most, ${whole(memory.pinnedPages.at(-1)?.pages ?? 0)} at the end`,
    ],
    [
      'given away',
      late === 0
        ? 'no device reached a frame of its new owner'
        : `${whole(late)} device accesses to pages of their new owner, ${whole(balloon.damagedPages)} pages damaged`,
    ],
  ];
}
