import { ParameterError } from '../../scheduler/errors.js';
import { present } from '../../scheduler/present.js';
import { RUN_METRICS } from '../report/metrics/run-metrics.js';
import type { Journal } from './journal.js';
import type { Plan, Point } from './plan.js';
import { estimate } from './statistics.js';

/** When a point has seeds enough: half its 95 % interval over its mean is at most this, for each of these metrics. */
export interface Precision {
  readonly relativeError: number;
  /** Ids of metrics of a run. */
  readonly metrics: readonly string[];
  /** No point gets more seeds than this. */
  readonly mostSeeds: number;
}

/** Least number of values for an interval. */
const LEAST_SEEDS = 3;

/** Places of metrics in the table of a run. @throws ParameterError for a name that is none */
export function metricPlaces(names: readonly string[]): number[] {
  return names.map((name) => {
    const place = RUN_METRICS.findIndex(({ id }) => id === name);
    if (place >= 0) return place;
    const ids = RUN_METRICS.map(({ id }) => id).join(', ');
    throw new ParameterError(`metric is "${name}", expected one of: ${ids}`);
  });
}

/**
 * Seeds that each point should have, from what the journal has of those that it was given; equal to `counts` when every
 * point is precise enough or has the most. The same outcomes give the same counts, so that a sweep can be resumed.
 */
export function moreSeeds(
  plan: Plan,
  counts: readonly number[],
  journal: Journal,
  precision: Precision,
): number[] {
  const places = metricPlaces(precision.metrics);
  return plan.points.map((point) => {
    const count = present(counts[point.index]);
    const wanted = Math.max(
      ...places.map((place) => wantedSeeds(plan, point, count, place, journal, precision)),
    );
    return Math.max(count, Math.min(wanted, precision.mostSeeds));
  });
}

function wantedSeeds(
  plan: Plan,
  point: Point,
  count: number,
  place: number,
  journal: Journal,
  { relativeError }: Precision,
): number {
  if (count < LEAST_SEEDS) return LEAST_SEEDS;
  const values = Array.from({ length: count }, (_, at) => {
    const outcome = journal.outcome(plan.run(point, at).key);
    return outcome !== undefined && 'values' in outcome ? (outcome.values[place] ?? null) : null;
  }).filter((value) => value !== null);
  if (values.length < 2) return count;
  const { mean, halfWidth = 0 } = estimate(values);
  if (mean === 0 || halfWidth <= relativeError * Math.abs(mean)) return count;
  // The interval shrinks with the root of the number of seeds; no more than twice as many at a time.
  const ratio = halfWidth / (relativeError * Math.abs(mean));
  return Math.min(count * 2, Math.max(count + 1, Math.ceil(count * ratio * ratio)));
}
