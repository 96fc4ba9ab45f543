import type { GuestResult, RunResult } from '../../machine/run-result.js';
import { GUEST_METRICS } from '../../report/metrics/guest-metrics.js';
import type { Metric } from '../../report/metrics/metric.js';
import { RUN_METRICS } from '../../report/metrics/run-metrics.js';
import type { Spread } from '../../report/metrics/spread.js';
import type { Journal } from '../journal.js';
import type { Outcome } from '../outcome.js';
import type { Plan, Point } from '../plan.js';
import { SweepError } from '../sweep-error.js';

/** A metric of a run, or of each of its guests, over what its seeds gave. */
export interface ReportMetric {
  /** As the user names it: an id, or `guest.` and an id. */
  readonly name: string;
  readonly ofGuests: boolean;
  /** Its place in the values of an outcome. */
  readonly place: number;
  readonly metric: Metric<Spread>;
}

/** What the runs of a point gave, by seed. */
export interface Measured {
  readonly point: Point;
  readonly runs: readonly { readonly seed: number; readonly outcome: Outcome }[];
}

const GUEST = 'guest.';
/** What a report shows by default. */
const MAIN = [
  'goodputBps',
  'cpuBusyFraction',
  'hypervisorFraction',
  'worstLatencyP99Ns',
  'jainIndex',
  'mostPinnedPages',
];

/**
 * Metrics by their names, `all` for every one of a run, the main ones without any.
 * @throws SweepError for a name that is none
 */
export function reportMetrics(names: readonly string[] | undefined): ReportMetric[] {
  if (names?.length === 1 && names[0] === 'all') return RUN_METRICS.map(({ id }) => metricOf(id));
  return (names ?? MAIN).map(metricOf);
}

function metricOf(name: string): ReportMetric {
  const ofGuests = name.startsWith(GUEST);
  const table: readonly Metric<RunResult>[] | readonly Metric<GuestResult>[] = ofGuests
    ? GUEST_METRICS
    : RUN_METRICS;
  const id = ofGuests ? name.slice(GUEST.length) : name;
  const place = table.findIndex((metric) => metric.id === id);
  const metric = table[place];
  if (metric === undefined) {
    const known = [...RUN_METRICS.map((one) => one.id), ...GUEST_METRICS.map((one) => `${GUEST}${one.id}`)];
    throw new SweepError(`--metrics has "${name}", expected some of: ${known.join(', ')}`);
  }
  return { name, ofGuests, place, metric: { ...metric, of: (spread: Spread) => spread, isOfFew: undefined } };
}

/**
 * What the journal has of a study: of each point every seed that was run, which may be more than the study asks for.
 * @throws SweepError when it has nothing
 */
export function readMeasured(
  plan: Plan,
  journal: Journal,
): { readonly measured: Measured[]; readonly missing: number } {
  let missing = 0;
  const measured = plan.points.map((point): Measured => {
    const runs: { seed: number; outcome: Outcome }[] = [];
    for (let at = 0; ; at += 1) {
      const { key, seed } = plan.run(point, at);
      const outcome = journal.outcome(key);
      if (outcome !== undefined) runs.push({ seed, outcome });
      else if (at < plan.seeds.length) missing += 1;
      else break;
    }
    return { point, runs };
  });
  if (measured.every(({ runs }) => runs.length === 0)) {
    throw new SweepError(`${journal.path} has no run of this study, expected some; sweep the study first`);
  }
  return { measured, missing };
}

/** Names of guests, as the runs have them. */
export function guestsOf(measured: readonly Measured[]): string[] {
  const names = new Set<string>();
  for (const { runs } of measured) {
    for (const { outcome } of runs) {
      if ('guests' in outcome) for (const { guest } of outcome.guests) names.add(guest);
    }
  }
  return [...names];
}

/** Values of a metric by seed; runs that failed, and those to which it does not apply, are left out. */
export function valuesBySeed(
  { runs }: Measured,
  { ofGuests, place }: ReportMetric,
  guest?: string,
): Map<number, number> {
  const values = new Map<number, number>();
  for (const { seed, outcome } of runs) {
    if (!('values' in outcome)) continue;
    const source = ofGuests ? outcome.guests.find((one) => one.guest === guest)?.values : outcome.values;
    const value = source?.[place];
    if (value !== undefined && value !== null) values.set(seed, value);
  }
  return values;
}
