import { TIMING } from '../../../host/iommu/translation/parameters.js';
import { InvariantViolation } from '../../../scheduler/errors.js';
import { present } from '../../../scheduler/present.js';
import { foundCosts } from '../cdna-2007/found-costs.js';
import { FrameLatencies, percentilesOf } from '../frame-latencies.js';
import { protectionWith } from '../mapping-approaches.js';
import { gather, type Measures, type PointOf } from '../measures.js';
import { steadyRun } from '../steady-run.js';
import { capturesOf, guestOf, WARM_UP_NS, workloadOf } from './workloads.js';

/** Runs of a point; each begins at its own moment, and has its own thinking times and replacement in caches. */
export const SEEDS = 3;
/** The CDNA paper's testbed: one Opteron, and its two 1 Gb/s NICs as one port. */
const HERTZ = 2.4e9;
const RATE_BPS = 2e9;
/** Percentiles of a latency distribution that are kept. */
export const PERCENTS = [1, 25, 50, 75, 90, 99, 99.9] as const;

/** One run. */
export interface StrategySample {
  readonly framesPerSecond: number;
  readonly framesDropped: number;
  /** Percent of the core. */
  readonly cpu: number;
  readonly hypercallsPerFrame: number;
  readonly hypercallsPerDma: number;
  /** Of the pages that transfers used, the fraction that was mapped already. Only where an IOMMU maps. */
  readonly reuse: number | undefined;
  /** Of the unit's translations, the fraction that its IOTLB answered. */
  readonly iotlbHits: number | undefined;
  /** At each of `PERCENTS`, ns. */
  readonly latencyNs: readonly number[];
}

const percent = (fraction: number | undefined) => (fraction === undefined ? undefined : 100 * fraction);
const microsecondsAt = (wanted: (typeof PERCENTS)[number]) => (run: StrategySample) =>
  (run.latencyNs[PERCENTS.indexOf(wanted)] ?? Number.NaN) / 1e3;
const nsPerFrame = ({ cpu, framesPerSecond }: StrategySample) => (cpu * 1e7) / framesPerSecond;

/** What is measured of an approach under a workload; `base` is the run without protection and with the same seed. */
export const MEASURES = {
  frames_per_s: {
    title: 'Frames',
    unit: '/s',
    digits: 0,
    sentence: 'Frames that were sent or received, per second.',
    of: ({ framesPerSecond }) => framesPerSecond,
  },
  frames_dropped: {
    title: 'Frames dropped',
    head: 'dropped',
    unit: 'count',
    sentence: 'Frames that were dropped anywhere.',
    mean: true,
    of: ({ framesDropped }) => framesDropped,
  },
  cpu_percent: {
    title: 'CPU',
    unit: '%',
    sentence: 'CPU time of guest and hypervisor, in percent of the core.',
    of: ({ cpu }) => cpu,
  },
  protection_percent: {
    title: 'CPU for protection',
    head: 'protection',
    unit: 'points of the core',
    sentence: 'CPU less that of the same machine and seed without protection, in points of the core.',
    of: ({ cpu }, base) => cpu - base.cpu,
  },
  protection_ns_per_frame: {
    title: 'CPU for protection per frame',
    head: 'ns/frame',
    unit: 'ns per frame',
    digits: 0,
    sentence: 'CPU time per frame less that without protection: where what is slower also asks for less.',
    of: (run, base) => nsPerFrame(run) - nsPerFrame(base),
  },
  hypercalls_per_frame: {
    title: 'Hypercalls per frame',
    head: 'calls/frame',
    unit: '',
    digits: 2,
    axis: 'hypercalls per frame',
    sentence: 'Hypercalls for each frame that was sent or received.',
    of: ({ hypercallsPerFrame }) => hypercallsPerFrame,
  },
  hypercalls_per_dma: {
    title: 'Hypercalls per DMA',
    head: 'calls/DMA',
    unit: '',
    digits: 2,
    sentence: 'Hypercalls for each descriptor that the set-up gate accepted.',
    of: ({ hypercallsPerDma }) => hypercallsPerDma,
  },
  reuse_percent: {
    title: 'Mappings reused',
    head: 'reuse %',
    unit: '% of pages used',
    sentence:
      'Of the pages that transfers used, the percentage that was mapped already; only where an IOMMU maps.',
    optional: true,
    of: ({ reuse }) => percent(reuse),
  },
  iotlb_hit_percent: {
    title: 'IOTLB hit rate',
    head: 'IOTLB %',
    unit: '% of translations',
    sentence: `Of the IOMMU's translations, the percentage that its IOTLB of ${TIMING.iotlbEntries.value} entries answered.`,
    optional: true,
    of: ({ iotlbHits }) => percent(iotlbHits),
  },
  latency_p50_us: {
    title: 'Latency, p50',
    head: 'p50 us',
    unit: 'us',
    digits: 2,
    sentence: 'The median of what the workload times.',
    of: microsecondsAt(50),
  },
  latency_p99_us: {
    title: 'Latency, p99',
    head: 'p99 us',
    unit: 'us',
    digits: 2,
    sentence: 'Its 99th percentile.',
    of: microsecondsAt(99),
  },
} as const satisfies Measures<StrategySample>;

/** All runs of one approach under one workload. */
export interface MeasuredStrategy {
  readonly workload: string;
  readonly approach: string;
  readonly runs: readonly StrategySample[];
}

/** One approach under one workload; spreads are over the seeds. */
export type StrategyPoint = PointOf<typeof MEASURES> & {
  readonly workload: string;
  readonly approach: string;
  /** Means over the seeds, at each of the document's `percents`. */
  readonly latency_us: readonly number[];
};

/** One approach under one workload with one seed. */
export function measureStrategy({
  workload: name,
  approach,
  seed,
}: {
  readonly workload: string;
  readonly approach: string;
  readonly seed: number;
}): StrategySample {
  const workload = workloadOf(name);
  const latencies = new FrameLatencies();
  const { windowNs } = workload;
  const window = steadyRun({
    scenario: {
      guests: [guestOf(workload, seed)],
      nic: { rateBps: RATE_BPS },
      host: { cores: 1, hertz: HERTZ, costs: foundCosts() },
    },
    protection: protectionWith(approach, seed),
    seed,
    warmUpNs: WARM_UP_NS,
    windowNs,
    captures: capturesOf(workload),
    watch: latencies,
  });
  const { descriptors, hypercalls } = window;
  const { pagesMapped, translations, iotlbHits } = window.details;
  const frames = window.framesTransmitted + window.framesReceived;
  return {
    framesPerSecond: (frames * 1e9) / windowNs,
    framesDropped: window.framesDropped,
    cpu: (100 * (window.hypervisorNs + window.guestsNs)) / windowNs,
    hypercallsPerFrame: hypercalls / frames,
    hypercallsPerDma: hypercalls / descriptors,
    // A buffer lies on one page, so a DMA uses one.
    reuse: pagesMapped === undefined ? undefined : 1 - pagesMapped / descriptors,
    iotlbHits: translations === undefined ? undefined : present(iotlbHits) / translations,
    latencyNs: percentilesOf(workload.latenciesNs(latencies), PERCENTS),
  };
}

/** Points of what was measured; `none` of each workload must be among it. */
export function strategyPoints(measured: readonly MeasuredStrategy[]): StrategyPoint[] {
  return measured.map(({ workload, approach, runs }) => {
    const none = measured.find((one) => one.workload === workload && one.approach === 'none');
    if (none === undefined)
      throw new InvariantViolation(`nothing without protection to compare with (${workload})`);
    const latency = gather(LATENCIES, runs);
    return {
      workload,
      approach,
      ...gather(MEASURES, runs, none.runs),
      latency_us: PERCENTS.map((at) => latency[`${at}`] ?? Number.NaN),
    };
  });
}

const LATENCIES: Readonly<Record<string, { readonly mean: true } & Measures<StrategySample>[string]>> =
  Object.fromEntries(
    PERCENTS.map((at) => [
      `${at}`,
      { title: `p${at}`, unit: 'us', sentence: 'A percentile.', mean: true as const, of: microsecondsAt(at) },
    ]),
  );
