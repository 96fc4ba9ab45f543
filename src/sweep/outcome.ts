import type { GuestResult, RunResult } from '../machine/run-result.js';
import type { Metric } from '../report/metrics/metric.js';
import { GUEST_METRICS, RUN_METRICS } from '../report/metrics/run-metrics.js';

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
}

/** What attacks on one approach came to. */
export interface AttackOutcome {
  readonly attacks: readonly { readonly attack: string; readonly verdict: string }[];
}

/** A job that could not be done: the same error on every machine, so it is not tried again. */
export interface FailedOutcome {
  readonly error: string;
}

export type Outcome = RunOutcome | AttackOutcome | FailedOutcome;

/** A result as rows of tables. */
export function outcomeOf(result: RunResult): RunOutcome {
  return {
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
