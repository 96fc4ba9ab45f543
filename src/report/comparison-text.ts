import type { RunResult } from '../machine/run-result.js';
import { counts, decimal, megabits, microseconds, percent, whole } from './number-text.js';
import { type Column, plainTable } from './plain-table.js';
import { megabytes } from './plots/pinned.js';
import { headingLine, type RunHeading } from './run-heading.js';

type Cell = readonly [head: string, cell: (run: RunResult) => string];

const TRAFFIC: readonly Cell[] = [
  ['goodput\nMb/s', (run) => megabits(run.goodputBps)],
  ['in\nMb/s', (run) => megabits(run.receiveGoodputBps)],
  ['frames\nout', (run) => whole(run.framesTransmitted)],
  ['p50\nus', (run) => microseconds(run.latencyNs.transmit?.p50Ns)],
  ['p99\nus', (run) => microseconds(run.latencyNs.transmit?.p99Ns)],
  ['p99.9\nus', (run) => microseconds(run.latencyNs.transmit?.p999Ns)],
  ["Jain's\nindex", (run) => decimal(run.fairness.jainIndex, 3)],
  ['gap\nbytes', (run) => (run.fairness.pair === undefined ? '-' : whole(run.fairness.largestGapBytes))],
  [
    'bound\nbytes',
    (run) => {
      // With no two contexts to compare there is no bound to show either.
      if (run.fairness.pair === undefined) return '-';
      return run.fairness.boundBytes === undefined ? 'none' : whole(run.fairness.boundBytes);
    },
  ],
];

const COST: readonly Cell[] = [
  ['hyper-\nvisor %', (run) => percent(fractionOf(run, 'hypervisor'))],
  ['driver\ndom. %', (run) => percent(fractionOf(run, 'driver-domain'))],
  ['guests\n%', (run) => percent(fractionOf(run, 'guest'))],
  ['idle\n%', (run) => percent(run.cpu.idleFraction)],
  ['hyper-\ncalls', (run) => whole(run.hypercalls)],
  ['pins', (run) => whole(run.pins.taken)],
  ['pinned\nMB', (run) => decimal(megabytes(run.memory.mostPinnedPages), 1)],
  ['gate\nns', (run) => decimal(run.accessGate.meanDelayNs, 1)],
  ['inter-\nrupts', (run) => whole(run.interrupts.physical)],
  ['virtual\nirqs', (run) => whole(run.interrupts.virtual)],
];

type Balloon = NonNullable<RunResult['memory']['balloon']>;

const BALLOON: readonly Cell[] = [
  ['frames\nasked', ofBalloon(({ asked }) => whole(asked))],
  ['re-\nclaimed', ofBalloon(({ reclaimed }) => whole(reclaimed))],
  ['still\nwaiting', ofBalloon(({ waiting }) => whole(waiting))],
  ['re-\nfused', ofBalloon(({ refused }) => whole(refused))],
  ['p50\nus', ofBalloon(({ reclaimNs }) => microseconds(reclaimNs?.p50Ns))],
  ['p99\nus', ofBalloon(({ reclaimNs }) => microseconds(reclaimNs?.p99Ns))],
  ['late\nreads', ofBalloon(({ lateReads }) => whole(lateReads))],
  ['late\nwrites', ofBalloon(({ lateWrites }) => whole(lateWrites))],
  ['pages\ndamaged', ofBalloon(({ damagedPages }) => whole(damagedPages))],
];

const LOSSES: readonly Cell[] = [
  ['frames dropped, by reason', (run) => counts(run.drops)],
  ['faults, by reason', (run) => counts(run.faults)],
];

/**
 * Runs of one scenario side by side: what the guests got, what it cost, what a balloon got if there was one, what was
 * lost; a row an approach in each.
 * No line is longer than 100 columns while the reasons are few.
 */
export function comparisonText(heading: RunHeading, runs: readonly RunResult[]): string {
  const [first] = runs;
  const cores = first === undefined ? 0 : first.cpu.cores;
  return [
    headingLine(heading),
    '',
    section('What the guests got (latency: from the driver to the last bit on the wire)', TRAFFIC, runs),
    section(`What it cost (CPU time of ${cores} ${cores === 1 ? 'core' : 'cores'})`, COST, runs),
    ...balloonSections(runs),
    section('What was lost', LOSSES, runs, 'left'),
    lawsText(runs),
  ].join('\n');
}

function section(
  title: string,
  cells: readonly Cell[],
  runs: readonly RunResult[],
  align: Column['align'] = 'right',
) {
  const columns: Column[] = [
    { head: 'approach', align: 'left' },
    ...cells.map(([head]) => ({ head, align })),
  ];
  const rows = runs.map((run) => [run.protection, ...cells.map(([, cell]) => cell(run))]);
  return `${title}\n\n${plainTable(columns, rows)}\n`;
}

function balloonSections(runs: readonly RunResult[]): string[] {
  const asked = runs.filter(({ memory }) => memory.balloon !== undefined);
  if (asked.length === 0) return [];
  return [section('What the balloon got (time: from asking for a frame to its being free)', BALLOON, asked)];
}

function ofBalloon(cell: (balloon: Balloon) => string): (run: RunResult) => string {
  return ({ memory: { balloon } }) => (balloon === undefined ? '-' : cell(balloon));
}

function fractionOf(run: RunResult, kind: RunResult['cpu']['domains'][number]['kind']): number {
  return run.cpu.domains.reduce((sum, domain) => sum + (domain.kind === kind ? domain.fraction : 0), 0);
}

function lawsText(runs: readonly RunResult[]): string {
  const laws = new Set(runs.flatMap((run) => run.laws.map(({ law }) => law)));
  const broken = runs.filter((run) => run.laws.some(({ held }) => !held)).map(({ protection }) => protection);
  if (broken.length === 0) return `all ${laws.size} laws held in every run`;
  return `laws were broken under: ${broken.join(', ')}`;
}
