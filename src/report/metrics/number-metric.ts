import type { LatencySummary } from '../../machine/latency.js';
import type { Metric } from './metric.js';

/** A metric of one run: a number, or nothing where it does not apply. */
export interface NumberMetric<Subject> extends Metric<Subject> {
  readonly of: (subject: Subject) => number | undefined;
}

/** Identifies the type of each row and keeps its ids apart. */
export function metrics<Subject, Id extends string>(
  table: Readonly<Record<Id, Omit<NumberMetric<Subject>, 'id'>>>,
): Readonly<Record<Id, NumberMetric<Subject>>> {
  const entries = Object.entries<Omit<NumberMetric<Subject>, 'id'>>(table);
  return Object.fromEntries(entries.map(([id, metric]) => [id, { id, ...metric }])) as Readonly<
    Record<Id, NumberMetric<Subject>>
  >;
}

/** Fewer frames than these have no 99th percentile: what a histogram gives is the longest of them. */
const FEWEST_FOR_P99 = 100;
export const FEWEST_FOR_P999 = 1000;

/** Whether a latency has too few frames for a 99th percentile. */
export function isFewForP99(latency: LatencySummary | undefined): boolean {
  return latency !== undefined && latency.count < FEWEST_FOR_P99;
}
