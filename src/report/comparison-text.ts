import { counted } from '../../scheduler/counted.js';
import { present } from '../../scheduler/present.js';
import type { LetThrough } from '../attack/let-through.js';
import type { RunResult } from '../machine/run-result.js';
import { type Compared, compareRuns, guestOf, PRICE_METRICS, shownGuests } from './compare/compared.js';
import { keptInsideLines } from './compare/kept-inside.js';
import { belowShareText, slackNote } from './guest-rows.js';
import { GUEST_METRIC } from './metrics/guest-metrics.js';
import { fewNote, type Metric, metricText, metricTextTable } from './metrics/metric.js';
import {
  BALLOON_METRICS,
  COST_METRICS,
  FLOW_CONTROL_METRICS,
  TRAFFIC_METRICS,
} from './metrics/run-metrics.js';
import { counts } from './number-text.js';
import { type Column, plainTable } from './plain-table.js';
import { portLines } from './port-text.js';
import { headingLine, type RunHeading } from './run-heading.js';

const { worstLatencyP99Ns: _worst, wireBusyFraction: _wire, ...TRAFFIC } = TRAFFIC_METRICS;
/** So many guests that are below their due are named. */
const MOST_BELOW = 3;

const { cpuBusyFraction: _all, ...COST } = COST_METRICS;

/**
 * Runs of one scenario side by side, a row per approach: what each costs and lets through, how long frames of each guest
 * took, then the details of both, what a balloon got and what flow control did if there was either, and what was lost.
 * No line is longer than 100 columns while the reasons are few.
 */
export function comparisonText(
  heading: RunHeading,
  runs: readonly RunResult[],
  through: readonly LetThrough[] = [],
): string {
  const cores = present(runs[0]).cpu.cores;
  const asked = runs.filter(({ memory }) => memory.balloon !== undefined);
  const paused = runs.filter(({ flowControl }) => flowControl !== undefined);
  return [
    headingLine(heading),
    ...portLines(heading.loaded.scenario),
    '',
    priceSection(compareRuns(runs, through, heading.loaded.scenario), cores),
    latencySection(runs),
    dueSection(runs),
    section('What the guests got', Object.values(TRAFFIC), runs),
    section(`What it cost (CPU time of ${counted(cores, 'core')})`, Object.values(COST), runs),
    ...(asked.length === 0
      ? []
      : [
          section(
            'What the balloon got (time: from asking for a page to its being free)',
            Object.values(BALLOON_METRICS),
            asked,
          ),
        ]),
    ...(paused.length === 0
      ? []
      : [section('What priority flow control did', Object.values(FLOW_CONTROL_METRICS), paused)]),
    losses(runs),
    invariants(runs),
  ].join('\n');
}

/** The comparison in one table: the price beside no protection, and what still gets through. */
function priceSection(compared: readonly Compared[], cores: number): string {
  const { cpu, cpuOverNone, cpuPerBit, goodput, goodputOfNone, worstP99, slowdown, pinned } = PRICE_METRICS;
  const { byGuests, ofGuests, byCards, ofCards } = PRICE_METRICS;
  const hasNone = compared.some(({ none }) => none !== undefined);
  const isPlayed = compared.some(({ through }) => through !== undefined);
  const metrics: Metric<Compared>[] = [
    cpu,
    // What is carried, in Mb/s, is in a table of its own.
    ...(hasNone ? [cpuOverNone, cpuPerBit, goodputOfNone] : [goodput]),
    worstP99,
    ...(hasNone ? [slowdown] : []),
    pinned,
    ...(isPlayed ? [byGuests, ofGuests, byCards, ofCards] : []),
  ];
  const rows = compared.map((subject) => ({ names: [subject.name], subject }));
  return `The price (CPU of ${counted(cores, 'core')}; p99 of the guest that waits longest)${
    isPlayed ? ', and attacks that get through' : ''
  }\n\n${[metricTextTable(['approach'], metrics, rows), ...(keptInsideLines(compared) ?? [])].join('\n')}\n`;
}

function section(title: string, metrics: readonly Metric<RunResult>[], runs: readonly RunResult[]): string {
  const rows = runs.map((subject) => ({ names: [subject.protection], subject }));
  return `${title}\n\n${metricTextTable(['approach'], metrics, rows)}\n`;
}

/** A column per guest: percentiles of guests with different loads are not pooled. */
function latencySection(runs: readonly RunResult[]): string {
  const guests = shownGuests(runs);
  const all = present(runs[0]).guests.length;
  const columns: Column[] = [
    { head: 'approach', align: 'left' },
    ...guests.map((head) => ({ head, align: 'right' as const })),
  ];
  const rows = runs.map((run) => [
    run.protection,
    ...guests.map((name) => {
      const guest = guestOf(run, name);
      if (guest?.latencyNs === undefined) return '-';
      const { latencyP50Ns, latencyP99Ns } = GUEST_METRIC;
      return `${metricText(latencyP50Ns, guest)} / ${metricText(latencyP99Ns, guest)}`;
    }),
  ]);
  const left =
    all > guests.length ? `, the ${guests.length} guests that wait longest, of ${all}` : ', per guest';
  const subjects = runs.flatMap((run) => guests.flatMap((name) => guestOf(run, name) ?? []));
  const note = fewNote([GUEST_METRIC.latencyP99Ns], subjects);
  return `Latency out, p50 / p99 us, from the store to the last bit on the wire${left}\n\n${plainTable(columns, rows)}\n${note === undefined ? '' : `${note}\n`}`;
}

/** What each guest got of its share of the wire, and who is below it. */
function dueSection(runs: readonly RunResult[]): string {
  const guests = shownGuests(runs);
  const columns: Column[] = [
    { head: 'approach', align: 'left' },
    ...guests.map((head) => ({ head, align: 'right' as const })),
    { head: 'below its due', align: 'left' },
  ];
  const rows = runs.map((run) => [
    run.protection,
    ...guests.map((name) => {
      const guest = guestOf(run, name);
      return guest === undefined ? '-' : metricText(GUEST_METRIC.fairShareGot, guest);
    }),
    belowShareText(run, MOST_BELOW) ?? '-',
  ]);
  const shown = runs.flatMap((run) => guests.flatMap((name) => guestOf(run, name) ?? []));
  const note = slackNote(shown);
  return `What each guest got of its due (bytes on the wire, of what a fluid link serves by weight)\n\n${plainTable(columns, rows)}\n${note === undefined ? '' : `${note}\n`}`;
}

function losses(runs: readonly RunResult[]): string {
  const columns: Column[] = ['approach', 'frames dropped, by reason', 'faults, by reason'].map((head) => ({
    head,
    align: 'left',
  }));
  const rows = runs.map(({ protection, drops, faults }) => [protection, counts(drops), counts(faults)]);
  return `What was lost\n\n${plainTable(columns, rows)}\n`;
}

function invariants(runs: readonly RunResult[]): string {
  const all = new Set(runs.flatMap((run) => run.laws.map(({ law }) => law)));
  const violated = runs
    .filter((run) => run.laws.some(({ held }) => !held))
    .map(({ protection }) => protection);
  if (violated.length === 0) return `all ${all.size} invariants held in every run`;
  return `invariants were violated under: ${violated.join(', ')}`;
}
