import { APPROACHES } from '../../../host/protection/approaches.js';
import { gather, type Measures, type PointOf } from '../measures.js';
import type { ComparedFigure } from '../published.js';
import type { CheckedStatement } from '../statements.js';
import {
  type GreedySample,
  greedyTimes,
  type QuietSample,
  type ScalingSample,
  sampleMachine,
} from './machine.js';

/** Runs of a point; each has its own replacement in the caches and its own moments at which guests begin. */
export const SEEDS = 3;
export const GUESTS: readonly number[] = [1, 4, 16, 64, 256, 1024];

/** Cores at work, by kind of domain. */
export const CPU_MEASURES = {
  hypervisor: {
    title: 'hypervisor',
    head: 'hypervisor\ncores',
    unit: 'cores',
    digits: 2,
    sentence: 'Cores at work for the hypervisor.',
    of: ({ hypervisorCores }) => hypervisorCores,
  },
  driver_domain: {
    title: 'driver domain',
    head: 'driver d.\ncores',
    unit: 'cores',
    digits: 2,
    sentence: 'Cores at work for the driver domain.',
    of: ({ driverDomainCores }) => driverDomainCores,
  },
  guests: {
    title: 'guests',
    head: 'guests\ncores',
    unit: 'cores',
    digits: 2,
    sentence: 'Cores at work for guests.',
    of: ({ guestCores }) => guestCores,
  },
} as const satisfies Measures<GreedySample>;

/** What is measured while every guest sends what it can. */
export const GREEDY_MEASURES = {
  goodput_gbps: {
    title: 'Goodput',
    head: 'Gb/s',
    unit: 'Gb/s',
    axis: 'Gb/s',
    digits: 2,
    sentence: 'Frame bytes of all guests that left.',
    of: ({ gbps }) => gbps,
  },
  wait_p50_us: {
    title: 'p50',
    head: 'wait p50\nus',
    unit: 'us',
    axis: 'wait, us',
    digits: 0,
    sentence: 'Median wait from the store to the last bit on the wire.',
    of: ({ waitP50Us }) => waitP50Us,
  },
  wait_p99_us: {
    title: 'p99',
    head: 'p99\nus',
    unit: 'us',
    digits: 0,
    sentence: 'Its 99th percentile.',
    of: ({ waitP99Us }) => waitP99Us,
  },
  jain_index: {
    title: "Jain's index",
    head: "Jain's\nindex",
    unit: '',
    digits: 4,
    sentence:
      "Jain's index of what guests sent of their due: the service of a fluid link on which all want all they can get.",
    of: ({ jain }) => jain,
  },
  physical_interrupts_per_s: {
    title: 'physical',
    head: 'physical\n/s',
    unit: '/s',
    axis: 'interrupts per second',
    digits: 0,
    sentence: 'Physical interrupts per second.',
    of: ({ physicalInterrupts }) => physicalInterrupts,
  },
  virtual_interrupts_per_s: {
    title: 'virtual',
    head: 'virtual\n/s',
    unit: '/s',
    digits: 0,
    sentence: 'Virtual interrupts per second.',
    of: ({ virtualInterrupts }) => virtualInterrupts,
  },
  hypercalls_per_frame: {
    title: 'Hypercalls per frame',
    head: 'calls/\nframe',
    unit: '',
    digits: 2,
    sentence: 'Hypercalls for each frame that left.',
    of: ({ hypercallsPerFrame }) => hypercallsPerFrame,
  },
  gap_bytes: {
    title: 'Largest gap',
    head: 'gap\nbytes',
    unit: 'bytes',
    sentence: 'Largest gap between two contexts among the first 64, where there are two.',
    optional: true,
    of: ({ gap }) => gap?.bytes,
  },
  gap_bound_bytes: {
    title: 'Its bound',
    head: 'bound\nbytes',
    unit: 'bytes',
    sentence: 'What the discipline promises that gap not to exceed.',
    optional: true,
    of: ({ gap }) => gap?.boundBytes,
  },
  iotlb_hit_rate: {
    title: 'IOTLB hit rate',
    head: 'IOTLB\nhits %',
    unit: 'fraction',
    axis: 'hits, %',
    digits: 0,
    sentence: 'Translations that the IOTLB answered, of all; where there is an IOMMU.',
    optional: true,
    of: ({ iotlbHitRate }) => iotlbHitRate,
  },
  walks_per_frame: {
    title: 'Walks per frame',
    head: 'walks/\nframe',
    unit: '',
    digits: 2,
    sentence: 'Walks of tables for each frame that left.',
    optional: true,
    of: ({ walks }) => walks?.walksPerFrame,
  },
  walk_reads_per_frame: {
    title: 'Reads of walks per frame',
    head: 'reads/\nframe',
    unit: '',
    sentence: 'What walks read of tables and context entries for each frame that left.',
    optional: true,
    of: ({ walks }) => walks?.readsPerFrame,
  },
} as const satisfies Measures<GreedySample>;

/** What is measured while all guests together use a tenth of the wire each way. */
export const QUIET_MEASURES = {
  send_p50_us: {
    title: 'send, p50',
    unit: 'us',
    sentence: 'Median time from the store to the last bit on the wire.',
    of: ({ sendP50Us }) => sendP50Us,
  },
  send_p99_us: {
    title: 'send, p99',
    unit: 'us',
    axis: '99th percentile, us',
    sentence: 'Its 99th percentile.',
    of: ({ sendP99Us }) => sendP99Us,
  },
  receive_p50_us: {
    title: 'receive, p50',
    unit: 'us',
    sentence: 'Median time from the last bit at the card to the driver handing the frame up.',
    of: ({ receiveP50Us }) => receiveP50Us,
  },
  receive_p99_us: {
    title: 'receive, p99',
    unit: 'us',
    sentence: 'Its 99th percentile.',
    of: ({ receiveP99Us }) => receiveP99Us,
  },
} as const satisfies Measures<QuietSample>;

/** What is measured of a change of the IOMMU: what the sweep measures of these three. */
const { goodput_gbps, walks_per_frame, walk_reads_per_frame } = GREEDY_MEASURES;
export const CHANGE_MEASURES = { goodput_gbps, walks_per_frame, walk_reads_per_frame } as const;

/** The result of a change, all guests sending what they can. */
export type UnitChangePoint = PointOf<typeof CHANGE_MEASURES> & {
  readonly approach: string;
  readonly guests: number;
  readonly change: string;
};

export type GreedyPoint = PointOf<typeof GREEDY_MEASURES> & {
  readonly warm_up_ns: number;
  readonly window_ns: number;
  readonly cpu_cores: PointOf<typeof CPU_MEASURES>;
};
export type QuietPoint = PointOf<typeof QUIET_MEASURES>;

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
  /** What the card waits for when it waits for walks. */
  readonly unit_changes: readonly UnitChangePoint[];
  readonly statements: readonly CheckedStatement[];
  readonly figures: readonly ComparedFigure[];
}

/** One place of the sweep and one of its seeds. */
export interface ScalingTask {
  readonly approach: string;
  readonly guests: number;
  readonly seed: number;
}

/** Every place of the sweep; those that take long first, so that no thread is left with one at the end. */
export function scalingPlaces(guests: readonly number[] = GUESTS): Omit<ScalingTask, 'seed'>[] {
  return [...guests]
    .sort((one, other) => other - one)
    .flatMap((count) => APPROACHES.map(({ name }) => ({ approach: name, guests: count })));
}

/** One run of the sweep. */
export function runScaling({ approach, guests, seed }: ScalingTask): ScalingSample {
  return sampleMachine(approach, guests, seed);
}

/** The points of which there are samples, approach by approach. @param samples of each place, one per seed */
export function scalingPoints(
  places: readonly Omit<ScalingTask, 'seed'>[],
  samples: readonly (readonly ScalingSample[])[],
): ScalingPoint[] {
  const counts = GUESTS.filter((count) => places.some(({ guests }) => guests === count));
  return APPROACHES.flatMap(({ name }) =>
    counts.map((guests) => {
      const at = places.findIndex((place) => place.approach === name && place.guests === guests);
      return pointOf(name, guests, samples[at] ?? []);
    }),
  );
}

function pointOf(approach: string, guests: number, samples: readonly ScalingSample[]): ScalingPoint {
  const base = { approach, guests, kept_apart: keptApart(approach, guests) };
  const greedy: GreedySample[] = [];
  const quiet: QuietSample[] = [];
  for (const sample of samples) {
    if ('impossible' in sample) return { ...base, impossible: sample.impossible };
    greedy.push(sample.greedy);
    quiet.push(sample.quiet);
  }
  const { warmUpNs, windowNs } = greedyTimes(guests);
  return {
    ...base,
    greedy: {
      warm_up_ns: warmUpNs,
      window_ns: windowNs,
      cpu_cores: gather(CPU_MEASURES, greedy),
      ...gather(GREEDY_MEASURES, greedy),
    },
    quiet: gather(QUIET_MEASURES, quiet),
  };
}

/** How many guests an approach keeps from each other. */
function keptApart(approach: string, guests: number): number {
  const claims = APPROACHES.find(({ name }) => name === approach)?.claims;
  return claims?.interGuest === true ? Math.min(guests, claims.separates ?? guests) : 0;
}
