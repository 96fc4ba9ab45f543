import { APPROACHES } from '../../../host/protection/approaches.js';
import type { Spread } from '../../report/metrics/spread.js';
import { gather, type Measures, type PointOf } from '../measures.js';
import { type CellPromise, DISCIPLINE_PROMISES, promiseOf, WHOLE } from './expected.js';
import { HOSTILITIES } from './hostilities.js';
import { type IsolationRun, type IsolationSample, STEP_NS, TIMES, type VictimSample } from './machine.js';

/** Runs of a cell. */
export const SEEDS = 3;
/** Shares over time are kept of this approach, of the first seed: they would be most of the file. */
const OVER_TIME = 'cdna';

/** What is measured of the victims before the turn, or after it. */
export const MEASURES = {
  steady_served: {
    title: 'Frames that left',
    head: 'sent\n%',
    unit: 'fraction',
    sentence: 'Frames of the steady stream that left, of those offered.',
    of: ({ served }) => served,
  },
  answers_per_s: {
    title: 'Answers',
    head: 'answers\n/s',
    unit: '/s',
    digits: 0,
    sentence: 'Answers per second that the victim that asks got.',
    mean: true,
    of: ({ answersPerS }) => answersPerS,
  },
  neighbour_mbps: {
    title: 'Neighbour',
    head: 'neighbour\nMb/s',
    unit: 'Mb/s',
    digits: 0,
    sentence: 'What the neighbour sent.',
    mean: true,
    of: ({ neighbourMbps }) => neighbourMbps,
  },
} as const satisfies Measures<VictimSample>;

/** Times, of the seeds in which there was any; absent when there was none in all of them. */
const TIMES_TO = {
  steady: [({ sendP50Us }: VictimSample) => sendP50Us, ({ sendP99Us }: VictimSample) => sendP99Us],
  asking: [({ askP50Us }: VictimSample) => askP50Us, ({ askP99Us }: VictimSample) => askP99Us],
} as const;

/** What the victims had before, or after: means of the seeds, with the least and most of what is judged. */
export type VictimTime = PointOf<typeof MEASURES> & {
  /** From the driver's store to the wire; absent when nothing left. */
  readonly steady_p50_us?: number;
  readonly steady_p99_us?: Spread;
  /** Seeds in which nothing left; absent when in all something did. The times are then those of the others. */
  readonly steady_silent_seeds?: number;
  /** From request to response; absent when nothing was answered. */
  readonly asking_p50_us?: number;
  readonly asking_p99_us?: Spread;
  /** Seeds in which nothing was answered, likewise. */
  readonly asking_silent_seeds?: number;
};

/** `kept` and `broken` speak of a promise; where there is none, victims `bear` it or `lose`. */
export type Verdict = 'kept' | 'broken' | 'borne' | 'lost';

/** An approach, a discipline and a hostility. */
export interface IsolationCell {
  readonly approach: string;
  readonly discipline: string;
  readonly hostility: string;
  readonly before: VictimTime;
  readonly after: VictimTime;
  readonly largest_gap_bytes: number;
  /** Absent where the discipline promises none. */
  readonly gap_bound_bytes?: number;
  /** Why the card stopped the neighbour's context, by the seeds in which it did; absent when in none. */
  readonly stopped_for?: readonly string[];
  readonly verdict: Verdict;
  /** What was lost, or which promise was broken. */
  readonly because: readonly string[];
  /** Megabits per second on the wire in each step of time: steady, asking, neighbour. */
  readonly over_time_mbps?: readonly (readonly number[])[];
}

export interface IsolationResult {
  readonly experiment: 'isolation';
  readonly seed: number;
  readonly seeds: number;
  readonly warm_up_ns: number;
  readonly before_ns: number;
  readonly settle_ns: number;
  readonly after_ns: number;
  readonly step_ns: number;
  readonly cells: readonly IsolationCell[];
}

/** Every cell: of each approach the main hostility against every discipline, then the others against one. */
export function isolationPlaces(): Omit<IsolationRun, 'seed'>[] {
  return APPROACHES.flatMap(({ name }) => [
    ...DISCIPLINE_PROMISES.map(({ discipline }) => ({
      approach: name,
      discipline,
      hostility: MAIN_HOSTILITY,
    })),
    ...HOSTILITIES.slice(1).map((hostility) => ({
      approach: name,
      discipline: MAIN_DISCIPLINE,
      hostility: hostility.name,
    })),
  ]);
}

/** Assembles the cells, in their order. @param runs of each place, one per seed */
export function isolationResult(
  seed: number,
  places: readonly Omit<IsolationRun, 'seed'>[],
  runs: readonly (readonly IsolationSample[])[],
): IsolationResult {
  return {
    experiment: 'isolation',
    seed,
    seeds: SEEDS,
    warm_up_ns: TIMES.warmUpNs,
    before_ns: TIMES.beforeNs,
    settle_ns: TIMES.settleNs,
    after_ns: TIMES.afterNs,
    step_ns: STEP_NS,
    cells: places.map(({ approach, discipline, hostility }, at) =>
      cellOf(approach, discipline, hostility, runs[at] ?? []),
    ),
  };
}

export const MAIN_HOSTILITY = HOSTILITIES[0]?.name ?? '';
/** The discipline against which hostilities besides the main one are played. */
export const MAIN_DISCIPLINE = 'drr';

/** One cell, from what each seed gave. */
export function cellOf(
  approach: string,
  discipline: string,
  hostility: string,
  runs: readonly IsolationSample[],
): IsolationCell {
  const before = timeOf(runs.map((run) => run.before));
  const after = timeOf(runs.map((run) => run.after));
  const bound = runs[0]?.boundBytes;
  const promise = promiseOf(approach, discipline, hostility);
  const stopped = [...new Set(runs.flatMap(({ stoppedFor }) => stoppedFor ?? []))];
  const gapBroken = runs.some(({ boundBroken }) => boundBroken);
  const keepsTime = approach === OVER_TIME && hostility === MAIN_HOSTILITY;
  return {
    approach,
    discipline,
    hostility,
    before,
    after,
    largest_gap_bytes: Math.max(...runs.map(({ gapBytes }) => gapBytes)),
    ...(bound === undefined ? {} : { gap_bound_bytes: Math.round(bound) }),
    ...(stopped.length === 0 ? {} : { stopped_for: stopped }),
    ...judged(before, after, promise, gapBroken),
    ...(keepsTime
      ? { over_time_mbps: (runs[0]?.overTime ?? []).map((row) => row.map((mbps) => Math.round(mbps))) }
      : {}),
  };
}

/** What the victims lost, and whether promises were kept. The worst of the seeds decides. */
export function judged(
  before: VictimTime,
  after: VictimTime,
  promise: CellPromise,
  gapBroken: boolean,
): Pick<IsolationCell, 'verdict' | 'because'> {
  const rateLost = after.steady_served.least < WHOLE;
  const late = (was: Spread | undefined, is: Spread | undefined, silentSeeds = 0) =>
    is === undefined || silentSeeds > 0 || is.most > (was?.least ?? 0) + promise.laterUs;
  const sendLate = late(before.steady_p99_us, after.steady_p99_us, after.steady_silent_seeds);
  const askLate = late(before.asking_p99_us, after.asking_p99_us, after.asking_silent_seeds);
  const leaks = promise.silent && after.neighbour_mbps > 0;
  const because = [
    ...(rateLost ? ['rate'] : []),
    ...(sendLate ? ['wait of frames'] : []),
    ...(askLate ? ['wait for answers'] : []),
    ...(gapBroken ? ['gap'] : []),
    ...(leaks ? ['frames that must not leave'] : []),
  ];
  const waitLost = sendLate || askLate;
  if ((rateLost && promise.rate) || (waitLost && promise.wait) || gapBroken || leaks)
    return { verdict: 'broken', because };
  if (because.length > 0) return { verdict: 'lost', because };
  return { verdict: promise.rate ? 'kept' : 'borne', because };
}

/** Answers per second after the turn, of those before it. They are not promised: a client that waits for answers asks less often. */
export function answersLeft({ before, after }: Pick<IsolationCell, 'before' | 'after'>): number {
  return after.answers_per_s / before.answers_per_s;
}

function timeOf(samples: readonly VictimSample[]): VictimTime {
  return { ...gather(MEASURES, samples), ...waitsOf('steady', samples), ...waitsOf('asking', samples) };
}

/** Percentiles of a victim's waits over the seeds in which it had any. */
function waitsOf(victim: keyof typeof TIMES_TO, samples: readonly VictimSample[]): Partial<VictimTime> {
  const [p50, p99] = TIMES_TO[victim];
  const about = { title: '', unit: 'us', sentence: '' };
  const heard = samples.filter((sample) => p99(sample) !== undefined);
  const waits = gather(
    {
      [`${victim}_p50_us`]: { ...about, mean: true, of: p50 },
      [`${victim}_p99_us`]: { ...about, of: p99 },
    } satisfies Measures<VictimSample>,
    heard,
  );
  const silent = samples.length - heard.length;
  return { ...waits, ...(silent === 0 ? {} : { [`${victim}_silent_seeds`]: silent }) };
}
