import { microseconds, whole } from '../report/number-text.js';
import { type Column, plainTable } from '../report/plain-table.js';
import type { WorkloadFinding } from './fairness-study.js';
import { WEIGHT_CLASSES } from './workload.js';

const BAR_CHARACTERS = 16;
/** A full bar is this many times what was due. */
const BAR_SCALE = 2;

/** The table of a workload, and bars of what each class got of its due. */
export function fairnessText({ workload, findings }: WorkloadFinding): string {
  const classes = WEIGHT_CLASSES.slice(0, workload.contenders.length);
  const columns: Column[] = [
    { head: 'discipline', align: 'left' },
    { head: "Jain's\nindex", align: 'right' },
    { head: 'in each\nwindow', align: 'right' },
    { head: 'largest gap\nB/weight', align: 'right' },
    { head: 'bound\nB/weight', align: 'right' },
    ...classes.map((weight) => ({ head: `weight ${weight}\np50/p99 us`, align: 'right' as const })),
    { head: 'decision\nns, host', align: 'right' },
  ];
  const rows = findings.map((finding) => [
    finding.discipline,
    finding.jainIndex.toFixed(4),
    finding.windowJainIndex.toFixed(4),
    whole(finding.largestGapBytes),
    `${finding.boundBytes === null ? '-' : whole(finding.boundBytes)}${finding.broken > 0 ? ' BROKEN' : ''}`,
    ...finding.delays.map(({ p50Ns, p99Ns }) => `${microseconds(p50Ns)}/${microseconds(p99Ns)}`),
    whole(finding.decisionNs),
  ]);
  const bars = findings.map(({ discipline, gotOfDue }) => [discipline, ...gotOfDue.map(bar)]);
  const barColumns: Column[] = [
    { head: 'got of its due', align: 'left' },
    ...classes.map((weight) => ({ head: `weight ${weight}`, align: 'left' as const })),
  ];
  return [
    `${workload.name}: ${workload.meaning}`,
    '',
    plainTable(columns, rows),
    '',
    plainTable(barColumns, bars),
    '',
  ].join('\n');
}

/** What the figures mean; once below all tables. */
export const FAIRNESS_LEGEND = `A full bar is twice the due, | is the due: what a fluid link that is weighted max-min fair at every instant gives.
Jain's index is of got/due; a gap is |S_i/w_i - S_j/w_j| of two contexts while both had frames waiting, against the
bound of that pair. Delay is from joining the queue to the last bit. The cost of a decision measures this host.`;

function bar(gotOfDue: number): string {
  const due = BAR_CHARACTERS / BAR_SCALE;
  const filled = Math.round(Math.min(BAR_SCALE, gotOfDue) * due);
  let text = '';
  for (let at = 0; at < BAR_CHARACTERS; at += 1) text += at < filled ? '█' : at === due ? '|' : '·';
  return `${text} ${gotOfDue.toFixed(2)}`;
}
