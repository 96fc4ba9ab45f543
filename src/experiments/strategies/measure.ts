import { InvariantViolation } from '../../../scheduler/errors.js';
import { foundCosts } from '../cdna-2007/found-costs.js';
import { FrameLatencies, percentilesOf } from '../frame-latencies.js';
import { MAPPING_APPROACHES, protectionWith } from '../mapping-approaches.js';
import { mean, rounded } from '../reference-figure.js';
import { type Spread, spreadOf, withSeeds } from '../several-seeds.js';
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

/** All runs of one approach under one workload. */
export interface MeasuredStrategy {
  readonly workload: string;
  readonly approach: string;
  readonly runs: readonly StrategySample[];
}

/** One approach under one workload; spreads are over the seeds. */
export interface StrategyPoint {
  readonly workload: string;
  readonly approach: string;
  readonly frames_per_s: Spread;
  readonly frames_dropped: number;
  readonly cpu_percent: Spread;
  /** CPU less that of `none` with the same seed, in points of the core. */
  readonly protection_percent: Spread;
  /** CPU time a frame less that of `none`, ns: where what is slower also asks for less. */
  readonly protection_ns_per_frame: Spread;
  readonly hypercalls_per_frame: Spread;
  readonly hypercalls_per_dma: Spread;
  readonly reuse_percent?: Spread;
  readonly iotlb_hit_percent?: Spread;
  readonly latency_p50_us: Spread;
  readonly latency_p99_us: Spread;
  /** Means over the seeds, at each of the document's `percents`. */
  readonly latency_us: readonly number[];
}

/** One approach under one workload with all seeds. */
export function measureStrategy({
  workload,
  approach,
  seed,
}: {
  readonly workload: string;
  readonly approach: string;
  readonly seed: number;
}): MeasuredStrategy {
  return { workload, approach, runs: withSeeds(seed, SEEDS, (own) => runOnce(workload, approach, own)) };
}

function runOnce(name: string, approach: string, seed: number): StrategySample {
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
  const { descriptors, details, hypercalls } = window;
  const frames = window.framesTransmitted + window.framesReceived;
  const mapsPages = details['pagesMapped'] !== undefined;
  const translations = details['translations'];
  return {
    framesPerSecond: (frames * 1e9) / windowNs,
    framesDropped: window.framesDropped,
    cpu: (100 * (window.hypervisorNs + window.guestsNs)) / windowNs,
    hypercallsPerFrame: hypercalls / frames,
    hypercallsPerDma: hypercalls / descriptors,
    // A buffer lies on one page, so a DMA uses one.
    reuse: mapsPages ? 1 - (details['pagesMapped'] ?? 0) / descriptors : undefined,
    iotlbHits: translations === undefined ? undefined : (details['iotlbHits'] ?? 0) / translations,
    latencyNs: percentilesOf(workload.latenciesNs(latencies), PERCENTS),
  };
}

/** Points of what was measured; `none` of each workload must be among it. */
export function strategyPoints(measured: readonly MeasuredStrategy[]): StrategyPoint[] {
  return measured.map((one) => {
    const none = measured.find(({ workload, approach }) => workload === one.workload && approach === 'none');
    if (none === undefined)
      throw new InvariantViolation(`nothing without protection to compare with (${one.workload})`);
    return pointOf(one, none.runs);
  });
}

function pointOf(
  { workload, approach, runs }: MeasuredStrategy,
  none: readonly StrategySample[],
): StrategyPoint {
  const of = (value: (run: StrategySample) => number) => runs.map(value);
  const percents = (values: readonly (number | undefined)[]) =>
    spreadOf(values.map((value) => 100 * (value ?? Number.NaN)));
  const percentile = (percent: (typeof PERCENTS)[number]) => {
    const at = PERCENTS.indexOf(percent);
    return spreadOf(of(({ latencyNs }) => (latencyNs[at] ?? Number.NaN) / 1e3));
  };
  const [first] = runs;
  return {
    workload,
    approach,
    frames_per_s: spreadOf(of(({ framesPerSecond }) => framesPerSecond)),
    frames_dropped: rounded(mean(of(({ framesDropped }) => framesDropped))),
    cpu_percent: spreadOf(of(({ cpu }) => cpu)),
    protection_percent: spreadOf(runs.map(({ cpu }, run) => cpu - (none[run]?.cpu ?? Number.NaN))),
    protection_ns_per_frame: spreadOf(
      runs.map((run, index) => nsPerFrame(run) - nsPerFrame(none[index] ?? run)),
    ),
    hypercalls_per_frame: spreadOf(of(({ hypercallsPerFrame }) => hypercallsPerFrame)),
    hypercalls_per_dma: spreadOf(of(({ hypercallsPerDma }) => hypercallsPerDma)),
    ...(first?.reuse === undefined ? {} : { reuse_percent: percents(runs.map(({ reuse }) => reuse)) }),
    ...(first?.iotlbHits === undefined
      ? {}
      : { iotlb_hit_percent: percents(runs.map(({ iotlbHits }) => iotlbHits)) }),
    latency_p50_us: percentile(50),
    latency_p99_us: percentile(99),
    latency_us: PERCENTS.map((percent) => percentile(percent).mean),
  };
}

function nsPerFrame({ cpu, framesPerSecond }: StrategySample): number {
  return (cpu * 1e7) / framesPerSecond;
}

/** Approaches in the order in which they are shown, `none` first. */
export const APPROACHES: readonly string[] = MAPPING_APPROACHES.map(({ name }) => name);
