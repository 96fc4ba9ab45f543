import { APPROACHES } from '../../../host/protection/approaches.js';
import { spreadOf, withSeeds } from '../several-seeds.js';
import { scalingFigures, scalingStatements } from './expected.js';
import {
  type GreedySample,
  greedyTimes,
  QUIET_WARM_UP_NS,
  QUIET_WINDOW_NS,
  type QuietSample,
  type ScalingSample,
  sampleMachine,
} from './machine.js';
import type { GreedyPoint, ScalingPoint, ScalingResult } from './result.js';
import { type UnitChangePoint, type UnitChangeTask, unitChangeTasks } from './unit-changes.js';

/** Runs of a point; each has its own replacement in the caches and its own moments at which guests begin. */
const SEEDS = 3;
export const GUESTS: readonly number[] = [1, 4, 16, 64, 256, 1024];

/** One place of the sweep and one of its seeds. */
export interface ScalingTask {
  readonly approach: string;
  readonly guests: number;
  readonly seed: number;
}

/** Every run of the sweep; those that take long first, so that no thread is left with one at the end. */
export function scalingTasks(seed: number, guests: readonly number[] = GUESTS): ScalingTask[] {
  return [...guests]
    .sort((one, other) => other - one)
    .flatMap((count) =>
      APPROACHES.flatMap(({ name }) =>
        withSeeds(seed, SEEDS, (runSeed) => ({ approach: name, guests: count, seed: runSeed })),
      ),
    );
}

/** The changes of the IOMMU, with as many seeds. */
export function changeTasks(seed: number): UnitChangeTask[] {
  return unitChangeTasks(seed, SEEDS);
}

/** One run of the sweep. */
export function runScaling({ approach, guests, seed }: ScalingTask): ScalingSample {
  return sampleMachine(approach, guests, seed);
}

/** Puts together what the tasks gave, in their order. */
export function scalingResult(
  seed: number,
  tasks: readonly ScalingTask[],
  samples: readonly ScalingSample[],
  unitChanges: readonly UnitChangePoint[],
): ScalingResult {
  const points = scalingPoints(tasks, samples);
  return {
    experiment: 'scaling',
    seed,
    seeds: SEEDS,
    quiet_warm_up_ns: QUIET_WARM_UP_NS,
    quiet_window_ns: QUIET_WINDOW_NS,
    points,
    unit_changes: unitChanges,
    statements: scalingStatements(points),
    figures: scalingFigures(points),
  };
}

/** The points of which there are samples, approach by approach. */
export function scalingPoints(
  tasks: readonly ScalingTask[],
  samples: readonly ScalingSample[],
): ScalingPoint[] {
  const counts = GUESTS.filter((count) => tasks.some(({ guests }) => guests === count));
  return APPROACHES.flatMap(({ name }) =>
    counts.map((guests) =>
      pointOf(
        name,
        guests,
        samples.filter((_, index) => tasks[index]?.approach === name && tasks[index]?.guests === guests),
      ),
    ),
  );
}

function pointOf(approach: string, guests: number, samples: readonly ScalingSample[]): ScalingPoint {
  const base = { approach, guests, kept_apart: keptApart(approach, guests) };
  const runs: { readonly greedy: GreedySample; readonly quiet: QuietSample }[] = [];
  for (const sample of samples) {
    if ('impossible' in sample) return { ...base, impossible: sample.impossible };
    runs.push(sample);
  }
  const greedyRuns = runs.map(({ greedy }) => greedy);
  const quiet = (value: (run: QuietSample) => number) => spreadOf(runs.map((run) => value(run.quiet)));
  return {
    ...base,
    greedy: greedyPoint(guests, greedyRuns),
    quiet: {
      send_p50_us: quiet(({ sendP50Us }) => sendP50Us),
      send_p99_us: quiet(({ sendP99Us }) => sendP99Us),
      receive_p50_us: quiet(({ receiveP50Us }) => receiveP50Us),
      receive_p99_us: quiet(({ receiveP99Us }) => receiveP99Us),
    },
  };
}

function greedyPoint(guests: number, runs: readonly GreedySample[]): GreedyPoint {
  const spread = (value: (run: GreedySample) => number) => spreadOf(runs.map(value));
  const { warmUpNs, windowNs } = greedyTimes(guests);
  const point: GreedyPoint = {
    warm_up_ns: warmUpNs,
    window_ns: windowNs,
    goodput_gbps: spread(({ gbps }) => gbps),
    cpu_cores: {
      hypervisor: spread(({ hypervisorCores }) => hypervisorCores),
      driver_domain: spread(({ driverDomainCores }) => driverDomainCores),
      guests: spread(({ guestCores }) => guestCores),
    },
    wait_p50_us: spread(({ waitP50Us }) => waitP50Us),
    wait_p99_us: spread(({ waitP99Us }) => waitP99Us),
    jain_index: spread(({ jain }) => jain),
    physical_interrupts_per_s: spread(({ physicalInterrupts }) => physicalInterrupts),
    virtual_interrupts_per_s: spread(({ virtualInterrupts }) => virtualInterrupts),
    hypercalls_per_frame: spread(({ hypercallsAFrame }) => hypercallsAFrame),
  };
  const gaps = runs.map(({ gap }) => gap).filter((gap) => gap !== undefined);
  const hits = runs.map(({ iotlbHitRate }) => iotlbHitRate).filter((rate) => rate !== undefined);
  const walks = runs.map((run) => run.walks).filter((one) => one !== undefined);
  return {
    ...point,
    ...(gaps.length < runs.length
      ? {}
      : {
          gap_bytes: spreadOf(gaps.map(({ bytes }) => bytes)),
          gap_bound_bytes: spreadOf(gaps.map(({ boundBytes }) => boundBytes)),
        }),
    ...(hits.length < runs.length ? {} : { iotlb_hit_rate: spreadOf(hits) }),
    ...(walks.length < runs.length
      ? {}
      : {
          walks_per_frame: spreadOf(walks.map(({ walksAFrame }) => walksAFrame)),
          walk_reads_per_frame: spreadOf(walks.map(({ readsAFrame }) => readsAFrame)),
        }),
  };
}

/** How many guests an approach keeps from each other. */
function keptApart(approach: string, guests: number): number {
  const claims = APPROACHES.find(({ name }) => name === approach)?.claims;
  return claims?.interGuest === true ? Math.min(guests, claims.separates ?? guests) : 0;
}
