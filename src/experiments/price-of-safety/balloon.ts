import { InvariantViolation } from '../../../scheduler/errors.js';
import { type RunResult, runScenario } from '../../machine/run.js';
import { checkScenario } from '../../scenario/load.js';
import { foundCosts } from '../cdna-2007/found-costs.js';
import { DEFERRED_PINNED, IOMMU_STRATEGIES, NONE, protectionWith, SOFTWARE } from '../mapping-approaches.js';
import { mean, rounded } from '../reference-figure.js';
import { type Spread, spreadOf, withSeeds } from '../several-seeds.js';

/** Approaches that the balloon meets: those with a price, none, and what a flush costs that holds frames back. */
export const BALLOON_APPROACHES: readonly string[] = [
  NONE,
  ...IOMMU_STRATEGIES,
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

/** What the balloon found with one approach: means over the seeds, with the least and most where a spread is given. */
export interface BalloonPoint {
  readonly approach: string;
  readonly asked: number;
  readonly reclaimed: Spread;
  readonly refused: number;
  /** Given up, and not free when the run ended. */
  readonly waiting: number;
  /** From request to free frame, us; absent where no frame came free. */
  readonly free_p50_us?: Spread;
  readonly free_p99_us?: Spread;
  readonly most_pinned_pages: Spread;
  /** Accesses of devices to frames that their guest no longer had. */
  readonly late_accesses: Spread;
  readonly damaged_pages: number;
  /** Frames pinned at equal steps through the run of the first seed. */
  readonly pinned_step_ns: number;
  readonly pinned_pages: readonly number[];
}

/** One approach with all of its seeds. The host is virtual: on the metal nobody asks memory back. */
export function measureBalloon({
  approach,
  seed,
  seeds,
}: {
  readonly approach: string;
  readonly seed: number;
  readonly seeds: number;
}): BalloonPoint {
  const runs = withSeeds(seed, seeds, (own) => runBalloon(approach, own));
  const balloons = runs.map(({ memory }) => {
    if (memory.balloon === undefined) throw new InvariantViolation('a run without a balloon');
    return memory.balloon;
  });
  const average = (values: readonly number[]) => rounded(mean(values));
  const times = balloons.flatMap(({ reclaimNs }) => (reclaimNs === undefined ? [] : [reclaimNs]));
  const pinned = runs[0]?.memory.pinnedPages ?? [];
  return {
    approach,
    asked: average(balloons.map(({ asked }) => asked)),
    reclaimed: spreadOf(balloons.map(({ reclaimed }) => reclaimed)),
    refused: average(balloons.map(({ refused }) => refused)),
    waiting: average(balloons.map(({ waiting }) => waiting)),
    ...(times.length === 0
      ? {}
      : {
          free_p50_us: spreadOf(times.map(({ p50Ns }) => p50Ns / 1e3)),
          free_p99_us: spreadOf(times.map(({ p99Ns }) => p99Ns / 1e3)),
        }),
    most_pinned_pages: spreadOf(runs.map(({ memory }) => memory.mostPinnedPages)),
    late_accesses: spreadOf(balloons.map(({ lateReads, lateWrites }) => lateReads + lateWrites)),
    damaged_pages: average(balloons.map(({ damagedPages }) => damagedPages)),
    pinned_step_ns: (pinned[1]?.atNs ?? 0) - (pinned[0]?.atNs ?? 0),
    pinned_pages: pinned.map(({ pages }) => pages),
  };
}

function runBalloon(approach: string, seed: number): RunResult {
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
