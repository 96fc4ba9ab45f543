import type { RunResult } from '../machine/run-result.js';
import { type Metric, metricText, metricTextTable } from './metrics/metric.js';
import { BALLOON_METRICS, COST_METRICS, GUEST_METRIC, TRAFFIC_METRICS } from './metrics/run-metrics.js';
import { counts } from './number-text.js';
import { type Column, plainTable } from './plain-table.js';
import { headingLine, type RunHeading } from './run-heading.js';

const TRAFFIC = Object.values(TRAFFIC_METRICS);
const { cpuBusyFraction: _all, ...PARTS } = COST_METRICS;
const COST = Object.values(PARTS);
const BALLOON = Object.values(BALLOON_METRICS);
/** More guests than these are shown by the ones that wait longest. */
const MOST_GUESTS = 6;

/**
 * Runs of one scenario side by side, a row per approach: what the guests got, how long frames of each of them took,
 * what it cost, what a balloon got if there was one, and what was lost.
 * No line is longer than 100 columns while the reasons are few.
 */
export function comparisonText(heading: RunHeading, runs: readonly RunResult[]): string {
  const cores = runs[0]?.cpu.cores ?? 0;
  const asked = runs.filter(({ memory }) => memory.balloon !== undefined);
  return [
    headingLine(heading),
    '',
    section('What the guests got', TRAFFIC, runs),
    latencySection(runs),
    section(`What it cost (CPU time of ${cores} ${cores === 1 ? 'core' : 'cores'})`, COST, runs),
    ...(asked.length === 0
      ? []
      : [section('What the balloon got (time: from asking for a page to its being free)', BALLOON, asked)]),
    losses(runs),
    invariants(runs),
  ].join('\n');
}

function section(title: string, metrics: readonly Metric<RunResult>[], runs: readonly RunResult[]): string {
  const rows = runs.map((subject) => ({ names: [subject.protection], subject }));
  return `${title}\n\n${metricTextTable(['approach'], metrics, rows)}\n`;
}

/** A column per guest: percentiles of guests with different loads are not pooled. */
function latencySection(runs: readonly RunResult[]): string {
  const { latencyP50Ns, latencyP99Ns } = GUEST_METRIC;
  const guests = shownGuests(runs);
  const more = (runs[0]?.guests.length ?? 0) - guests.length;
  const columns: Column[] = [
    { head: 'approach', align: 'left' },
    ...guests.map((head) => ({ head, align: 'right' as const })),
  ];
  const rows = runs.map((run) => [
    run.protection,
    ...guests.map((name) => {
      const guest = run.guests.find((one) => one.name === name);
      return guest?.latencyNs === undefined
        ? '-'
        : `${metricText(latencyP50Ns, guest)} / ${metricText(latencyP99Ns, guest)}`;
    }),
  ]);
  const left = more > 0 ? `, the ${guests.length} guests that wait longest, of ${guests.length + more}` : '';
  return `Latency out, p50 / p99 us: from the store to the last bit on the wire${left}\n\n${plainTable(columns, rows)}\n`;
}

function shownGuests(runs: readonly RunResult[]): string[] {
  const names = runs[0]?.guests.map(({ name }) => name) ?? [];
  if (names.length <= MOST_GUESTS) return names;
  const longest = new Map(names.map((name) => [name, 0]));
  for (const { name, latencyNs } of runs.flatMap(({ guests }) => guests)) {
    longest.set(name, Math.max(longest.get(name) ?? 0, latencyNs?.p99Ns ?? 0));
  }
  const worst = [...names].sort((one, other) => (longest.get(other) ?? 0) - (longest.get(one) ?? 0));
  const shown = new Set(worst.slice(0, MOST_GUESTS));
  return names.filter((name) => shown.has(name));
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
