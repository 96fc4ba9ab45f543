import type { GuestResult, RunResult } from '../machine/run-result.js';
import { GUEST_METRICS } from '../report/metrics/guest-metrics.js';
import type { Metric } from '../report/metrics/metric.js';
import { RUN_METRICS } from '../report/metrics/run-metrics.js';

/** Values of metrics, in the order of their table; null where a metric does not apply. */
export type MetricValues = readonly (number | null)[];

export interface GuestOutcome {
  readonly guest: string;
  readonly weight: number;
  readonly values: MetricValues;
}

/** What a run came to, as tables have it. */
export interface RunOutcome {
  readonly fingerprint: string;
  readonly values: MetricValues;
  readonly guests: readonly GuestOutcome[];
  /** Names of invariants that were violated; absent when all held. */
  readonly violated?: readonly string[];
}

/** What attacks on one approach came to. */
export interface AttackOutcome {
  readonly attacks: readonly { readonly attack: string; readonly verdict: string }[];
}

/** A job that could not be done. */
export interface FailedOutcome {
  readonly error: string;
  /**
   * False when the same job may succeed elsewhere or later (a machine with more memory, a mended program): the next
   * sweep tries it again. @defaultValue true
   */
  readonly isFinal?: boolean;
}

/** Whether a sweep need not do the job again. */
export function isFinal(outcome: Outcome): boolean {
  return !('error' in outcome) || outcome.isFinal !== false;
}

export type Outcome = RunOutcome | AttackOutcome | FailedOutcome;

/** A result as rows of tables. */
export function outcomeOf(result: RunResult): RunOutcome {
  const violated = result.laws.filter(({ held }) => !held).map(({ law }) => law);
  return {
    ...(violated.length === 0 ? {} : { violated }),
    fingerprint: result.fingerprint,
    values: valuesOf(RUN_METRICS, result),
    guests: result.guests.map((guest: GuestResult) => ({
      guest: guest.name,
      weight: guest.weight,
      values: valuesOf(GUEST_METRICS, guest),
    })),
  };
}

function valuesOf<Subject>(metrics: readonly Metric<Subject>[], subject: Subject): (number | null)[] {
  return metrics.map((metric) => {
    const value = metric.of(subject);
    const number = typeof value === 'object' ? value.mean : value;
    return number === undefined || !Number.isFinite(number) ? null : number;
  });
}
