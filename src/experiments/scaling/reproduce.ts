import { APPROACHES } from '../../../host/protection/approaches.js';
import type { CheckedStatement } from '../checked-statement.js';
import type { ComparedFigure } from '../reference-figure.js';
import { type Spread, spreadOf, withSeeds } from '../several-seeds.js';
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

/** Runs of a point; each has its own replacement in the caches and its own moments at which guests begin. */
const SEEDS = 3;
export const GUESTS: readonly number[] = [1, 4, 16, 64, 256, 1024];

/** One place of the sweep and one of its seeds. */
export interface ScalingTask {
  readonly approach: string;
  readonly guests: number;
  readonly seed: number;
}

/** Every guest sends what it can. */
export interface GreedyPoint {
  readonly warm_up_ns: number;
  readonly window_ns: number;
  readonly goodput_gbps: Spread;
  /** Cores at work. */
  readonly cpu_cores: {
    readonly hypervisor: Spread;
    readonly driver_domain: Spread;
    readonly guests: Spread;
  };
  /** From the driver's store to the last bit on the wire. */
  readonly wait_p50_us: Spread;
  readonly wait_p99_us: Spread;
  readonly jain_index: Spread;
  /** What was seen between two contexts, where there are two, and what the discipline promises not to exceed. */
  readonly gap_bytes?: Spread;
  readonly gap_bound_bytes?: Spread;
  readonly physical_interrupts_per_s: Spread;
  readonly virtual_interrupts_per_s: Spread;
  readonly hypercalls_per_frame: Spread;
  /** Where there is an IOMMU. */
  readonly iotlb_hit_rate?: Spread;
}

/** All guests together use a tenth of the wire each way. */
export interface QuietPoint {
  /** From the driver's store to the last bit on the wire. */
  readonly send_p50_us: Spread;
  readonly send_p99_us: Spread;
  /** From the last bit at the card to the driver handing the frame up. */
  readonly receive_p50_us: Spread;
  readonly receive_p99_us: Spread;
}

/** One approach with so many guests. */
export interface ScalingPoint {
  readonly approach: string;
  readonly guests: number;
  /** How many of them are kept from each other's memory, as the approach promises. */
  readonly kept_apart: number;
  /** Why there is no such machine; then there is nothing else. */
  readonly impossible?: string;
  readonly greedy?: GreedyPoint;
  readonly quiet?: QuietPoint;
}

export interface ScalingResult {
  readonly experiment: 'scaling';
  readonly seed: number;
  readonly seeds: number;
  readonly quiet_warm_up_ns: number;
  readonly quiet_window_ns: number;
  readonly points: readonly ScalingPoint[];
  readonly statements: readonly CheckedStatement[];
  readonly figures: readonly ComparedFigure[];
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

/** One run of the sweep. */
export function runScaling({ approach, guests, seed }: ScalingTask): ScalingSample {
  return sampleMachine(approach, guests, seed);
}

/** Puts together what the tasks gave, in their order. */
export function scalingResult(
  seed: number,
  tasks: readonly ScalingTask[],
  samples: readonly ScalingSample[],
): ScalingResult {
  const points = scalingPoints(tasks, samples);
  return {
    experiment: 'scaling',
    seed,
    seeds: SEEDS,
    quiet_warm_up_ns: QUIET_WARM_UP_NS,
    quiet_window_ns: QUIET_WINDOW_NS,
    points,
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
  return {
    ...point,
    ...(gaps.length < runs.length
      ? {}
      : {
          gap_bytes: spreadOf(gaps.map(({ bytes }) => bytes)),
          gap_bound_bytes: spreadOf(gaps.map(({ boundBytes }) => boundBytes)),
        }),
    ...(hits.length < runs.length ? {} : { iotlb_hit_rate: spreadOf(hits) }),
  };
}

/** How many guests an approach keeps from each other. */
function keptApart(approach: string, guests: number): number {
  const claims = APPROACHES.find(({ name }) => name === approach)?.claims;
  return claims?.interGuest === true ? Math.min(guests, claims.separates ?? guests) : 0;
}
