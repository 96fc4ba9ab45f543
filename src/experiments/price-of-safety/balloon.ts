import { InvariantViolation } from '../../../scheduler/errors.js';
import { present } from '../../../scheduler/present.js';
import { type RunResult, runScenario } from '../../machine/run.js';
import { BALLOON_METRICS } from '../../report/metrics/run-metrics.js';
import { checkScenario } from '../../scenario/load.js';
import { foundCosts } from '../cdna-2007/found-costs.js';
import {
  DEFERRED_PINNED,
  FLUSH_ON_WRAP,
  IOMMU_STRATEGIES,
  NONE,
  protectionWith,
  SOFTWARE,
} from '../mapping-approaches.js';
import { gather, type Measures, type PointOf } from '../measures.js';

/** Approaches that the balloon meets: those with a price, none, and what a flush costs that holds pages back. */
export const BALLOON_APPROACHES: readonly string[] = [
  NONE,
  ...IOMMU_STRATEGIES,
  FLUSH_ON_WRAP,
  DEFERRED_PINNED,
  SOFTWARE,
].map(({ name }) => name);

/** Guests, and what the balloon asks of them. */
export const BALLOON = {
  guests: 3,
  guestMegabytes: 16,
  transmitBps: 200_000_000,
  receiveBps: 100_000_000,
  durationNs: 40_000_000,
  everyNs: 20_000,
  bufferPercent: 50,
} as const;

const ofBalloon = (of: (balloon: Balloon) => number | undefined) => (run: RunResult) => of(balloonOf(run));

/** What the balloon found with one approach. */
export const BALLOON_MEASURES = {
  asked: { ...BALLOON_METRICS.balloonAsked, mean: true },
  reclaimed: BALLOON_METRICS.balloonReclaimed,
  refused: { ...BALLOON_METRICS.balloonRefused, mean: true },
  waiting: { ...BALLOON_METRICS.balloonWaiting, mean: true },
  free_p50_us: {
    title: 'Until free, p50',
    head: 'free p50 us',
    unit: 'us',
    digits: 2,
    sentence: 'Median time from the request to the free page.',
    optional: true,
    of: ofBalloon(({ reclaimNs }) => microseconds(reclaimNs?.p50Ns)),
  },
  free_p99_us: {
    title: 'Until free, p99',
    head: 'p99 us',
    unit: 'us',
    sentence: 'Its 99th percentile.',
    optional: true,
    of: ofBalloon(({ reclaimNs }) => microseconds(reclaimNs?.p99Ns)),
  },
  most_pinned_pages: {
    title: 'Pinned at most',
    head: 'most pinned',
    unit: 'count',
    sentence: 'Most pages that were pinned at any sample.',
    of: ({ memory }) => memory.mostPinnedPages,
  },
  late_accesses: {
    title: 'Late accesses',
    head: 'late accesses',
    unit: 'count',
    sentence: 'Accesses of devices to pages that their guest no longer had.',
    of: ofBalloon(({ lateReads, lateWrites }) => lateReads + lateWrites),
  },
  damaged_pages: { ...BALLOON_METRICS.damagedPages, mean: true },
} as const satisfies Measures<RunResult>;

/** One approach. */
export type BalloonPoint = PointOf<typeof BALLOON_MEASURES> & {
  readonly approach: string;
  /** Pages pinned at equal steps through the run of the first seed. */
  readonly pinned_step_ns: number;
  readonly pinned_pages: readonly number[];
};

/** One approach, from what its seeds gave. */
export function balloonPoint(approach: string, runs: readonly RunResult[]): BalloonPoint {
  const pinned = present(runs[0]).memory.pinnedPages;
  return {
    approach,
    ...gather(BALLOON_MEASURES, runs),
    pinned_step_ns: present(pinned[1]).atNs - present(pinned[0]).atNs,
    pinned_pages: pinned.map(({ pages }) => pages),
  };
}

type Balloon = NonNullable<RunResult['memory']['balloon']>;

function balloonOf({ memory: { balloon } }: RunResult): Balloon {
  if (balloon === undefined) throw new InvariantViolation('a run without a balloon');
  return balloon;
}

function microseconds(ns: number | undefined): number | undefined {
  return ns === undefined ? undefined : ns / 1e3;
}

/** One approach with one seed. The host is virtual: on the metal nothing asks for memory back. */
export function measureBalloon({
  approach,
  seed,
}: {
  readonly approach: string;
  readonly seed: number;
}): RunResult {
  const { guests, guestMegabytes, transmitBps, receiveBps, durationNs, everyNs, bufferPercent } = BALLOON;
  const scenario = checkScenario({
    guests: [
      {
        count: guests,
        memoryMegabytes: guestMegabytes,
        traffic: { kind: 'poisson', wireRateBps: transmitBps },
        receive: { kind: 'poisson', wireRateBps: receiveBps },
      },
    ],
    host: { costs: foundCosts() },
    // More than can be had: it asks to the end.
    balloon: { pages: guests * guestMegabytes * 256, everyNs, bufferPercent },
  });
  return runScenario({
    scenario,
    directory: '.',
    captures: new Map(),
    protection: protectionWith(approach, seed),
    discipline: 'drr',
    seed,
    durationNs,
  });
}
