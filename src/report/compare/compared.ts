import { present } from '../../../scheduler/present.js';
import type { LetThrough } from '../../attack/let-through.js';
import type { GuestResult, RunResult } from '../../machine/run-result.js';
import type { Metric } from '../metrics/metric.js';
import { isFewForP99 } from '../metrics/number-metric.js';
import { COST_METRICS, TRAFFIC_METRICS } from '../metrics/run-metrics.js';
import { type GuestsAndCard, keepsInside } from './kept-inside.js';

/** One approach in a comparison: its run, the run without protection, and what it lets through. */
export interface Compared {
  readonly name: string;
  readonly run: RunResult;
  /** The run of `none` on the same scenario; undefined where it is not among the runs. */
  readonly none: RunResult | undefined;
  /** Undefined where attacks were not played. */
  readonly through: LetThrough | undefined;
  /** Whether frames between guests stay in the machine: what it carries is then not compared with none. */
  readonly keepsInside: boolean;
}

/** Runs of one scenario side by side. */
export function compareRuns(
  runs: readonly RunResult[],
  through: readonly LetThrough[],
  scenario: GuestsAndCard,
): Compared[] {
  const none = runs.find(({ protection }) => protection === 'none');
  return runs.map((run) => ({
    name: run.protection,
    run,
    none,
    through: through.find(({ approach }) => approach === run.protection),
    keepsInside: keepsInside(scenario, run),
  }));
}

/** An approach carries as much as no protection does from this fraction of its goodput on. */
const FULL_GOODPUT = 0.98;

/** Percent of what no protection carries, of an approach that carries less; undefined of the others, and where it is not known. */
export function lesserGoodputPercent(one: Compared): number | undefined {
  const fraction = PRICE_METRICS.goodputOfNone.of(one);
  return typeof fraction === 'number' && fraction < FULL_GOODPUT ? Math.round(fraction * 100) : undefined;
}

/** Whether an approach carries as much as no protection does, as far as is known. */
export function carriesAsMuch(one: Compared): boolean {
  return lesserGoodputPercent(one) === undefined;
}

/** A metric of the run, as one of the comparison. */
export function ofRun(metric: Metric<RunResult>): Metric<Compared> {
  const { of, isOfFew } = metric;
  return {
    ...metric,
    of: ({ run }) => of(run),
    isOfFew: isOfFew === undefined ? undefined : ({ run }) => isOfFew(run),
  };
}

function metric(id: string, rest: Omit<Metric<Compared>, 'id'>): Metric<Compared> {
  return { id, ...rest };
}

/** What each approach costs beside none, and what it lets through. */
export const PRICE_METRICS = {
  cpu: ofRun(COST_METRICS.cpuBusyFraction),
  cpuOverNone: metric('cpuOverNone', {
    title: 'CPU over none',
    head: 'over\nnone',
    unit: 'fraction of all cores',
    axis: 'CPU over none, points of all cores',
    sentence: 'CPU busy less that of the run without protection, in points of all cores.',
    of: ({ run, none }) => (none === undefined ? undefined : none.cpu.idleFraction - run.cpu.idleFraction),
  }),
  cpuPerBit: metric('cpuPerBitOfNone', {
    title: 'CPU time per bit',
    head: 'CPU/bit\nx none',
    unit: 'times none',
    axis: 'CPU time per bit that is carried, times that of no protection',
    digits: 2,
    sentence:
      'CPU time of all domains per bit that is carried out, as a multiple of that without protection: an approach that takes less CPU because it carries less is not cheap.',
    of: ({ run, none, keepsInside: isKept }) =>
      none === undefined || isKept || none.goodputBps === 0 || run.goodputBps === 0
        ? undefined
        : ((1 - run.cpu.idleFraction) * none.goodputBps) / (run.goodputBps * (1 - none.cpu.idleFraction)),
  }),
  goodput: ofRun(TRAFFIC_METRICS.goodputBps),
  goodputOfNone: metric('goodputOfNone', {
    title: 'Goodput of none',
    head: 'goodput\n% none',
    unit: 'fraction',
    sentence: 'Goodput out, in percent of that of the run without protection.',
    of: ({ run, none, keepsInside: isKept }) =>
      none === undefined || isKept ? undefined : run.goodputBps / none.goodputBps,
  }),
  worstP99: ofRun(TRAFFIC_METRICS.worstLatencyP99Ns),
  slowdown: metric('slowdown', {
    title: 'Longest slowdown',
    head: 'slowest\nguest x',
    unit: 'times none',
    digits: 2,
    sentence:
      'Of the guest that suffers most, the 99th percentile of latency out, as a multiple of that without protection.',
    of: (compared) => mostSlowed(compared)?.times,
    isOfFew: (compared) => mostSlowed(compared)?.isOfFew === true,
  }),
  pinned: ofRun(COST_METRICS.mostPinnedPages),
  byGuests: metric('attacksByGuests', {
    title: 'Attacks let through, by guests',
    head: 'through,\nguests',
    unit: 'count',
    sentence: 'Attacks by a hostile guest that got through.',
    of: ({ through }) => through?.byGuests,
  }),
  ofGuests: metric('attacksOfGuests', {
    title: 'of',
    head: 'of',
    unit: 'count',
    sentence: 'Attacks by a hostile guest that apply to the approach.',
    of: ({ through }) => through?.ofGuests,
  }),
  byCards: metric('attacksByCards', {
    title: 'Attacks let through, by cards',
    head: 'through,\ncards',
    unit: 'count',
    sentence: 'Attacks by a card that acts of its own accord that got through.',
    of: ({ through }) => through?.byCards,
  }),
  ofCards: metric('attacksOfCards', {
    title: 'of',
    head: 'of',
    unit: 'count',
    sentence: 'Attacks by a card that apply to the approach.',
    of: ({ through }) => through?.ofCards,
  }),
} as const;

/** A guest of a run, and how much longer its frames take than without protection. */
export interface Slowdown {
  readonly guest: string;
  readonly p99Ns: number;
  readonly times: number;
  /** Whether either percentile is of too few frames. */
  readonly isOfFew: boolean;
}

/** The guest whose 99th percentile grew most; undefined where there is nothing to compare with. */
export function mostSlowed({ run, none }: Compared): Slowdown | undefined {
  if (none === undefined) return undefined;
  let worst: Slowdown | undefined;
  for (const { name, latencyNs } of run.guests) {
    const without = none.guests.find((guest) => guest.name === name)?.latencyNs;
    if (latencyNs === undefined || without === undefined) continue;
    const times = latencyNs.p99Ns / Math.max(1, without.p99Ns);
    if (times <= (worst?.times ?? 0)) continue;
    const isOfFew = isFewForP99(latencyNs) || isFewForP99(without);
    worst = { guest: name, p99Ns: latencyNs.p99Ns, times, isOfFew };
  }
  return worst;
}

/** Approaches by something that is measured, the least first. */
export function ranked<One extends { readonly name: string }>(
  compared: readonly One[],
  of: (one: One) => number | undefined,
): { readonly name: string; readonly value: number }[] {
  return compared
    .flatMap((one) => {
      const value = of(one);
      return value === undefined || Number.isNaN(value) ? [] : [{ name: one.name, value }];
    })
    .sort((one, other) => one.value - other.value);
}

/** At most so many guests are shown each by itself; of more, those that wait longest. */
const MOST_GUESTS = 6;

/** Names of the guests that tables and plots show, in the order of the scenario. */
export function shownGuests(runs: readonly RunResult[]): string[] {
  const names = runs[0]?.guests.map(({ name }) => name) ?? [];
  if (names.length <= MOST_GUESTS) return names;
  const longest = new Map(names.map((name) => [name, 0]));
  for (const { name, latencyNs } of runs.flatMap(({ guests }) => guests)) {
    longest.set(name, Math.max(present(longest.get(name)), latencyNs?.p99Ns ?? 0));
  }
  const worst = [...names].sort((one, other) => present(longest.get(other)) - present(longest.get(one)));
  const shown = new Set(worst.slice(0, MOST_GUESTS));
  return names.filter((name) => shown.has(name));
}

/** A guest of a run by its name. */
export function guestOf(run: RunResult, name: string): GuestResult | undefined {
  return run.guests.find((guest) => guest.name === name);
}
