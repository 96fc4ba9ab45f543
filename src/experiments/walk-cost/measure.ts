import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import { TIMING, type TimingParameters } from '../../../host/iommu/translation/parameters.js';
import { makeProtection } from '../../../host/protection/approaches.js';
import { Iommu } from '../../../host/protection/iommu/iommu.js';
import type { NicParameters } from '../../../nic/parameters.js';
import { InvariantViolation } from '../../../scheduler/errors.js';
import { present } from '../../../scheduler/present.js';
import { mean } from '../../sweep/statistics.js';
import { type ComparedFigure, compareFigure } from '../published.js';
import { rounded } from '../rounded.js';
import { steadyRun } from '../steady-run.js';
import { modelBps, PAGE_BYTES, PAGE_NS, PUBLISHED, TABLE_READ_NS } from './published.js';

/** Runs of a point; each has its own replacement in the caches and its own moments at which flows begin. */
export const SEEDS = 3;
export const WARM_UP_NS = 1_000_000;
export const WINDOW_NS = 2_000_000;
const LINE_BPS = 100e9;
/** Flows begin at random within this time, ns. */
const START_SPREAD_NS = 20_000;
/** A walker that is at work for this share of the window is what limits the machine. */
const BOUND_SHARE = 0.98;

/** One place of the sweep. */
export interface WalkSetting {
  /** Each a context with rings of its own. */
  readonly flows: number;
  /** Of a receive ring. */
  readonly ringSlots: number;
  readonly iotlbEntries: number;
}

const IOTLB_ENTRIES = TIMING.iotlbEntries.value;

export const SETTINGS: readonly WalkSetting[] = [
  ...[1, 5, 10, 20, 40].map((flows) => ({ flows, ringSlots: 256, iotlbEntries: IOTLB_ENTRIES })),
  ...[64, 1024].flatMap((ringSlots) =>
    [5, 40].map((flows) => ({ flows, ringSlots, iotlbEntries: IOTLB_ENTRIES })),
  ),
  // Space for what 40 contexts have besides pages of frames: shows what the points above with 40 flows lack.
  { flows: 40, ringSlots: 256, iotlbEntries: 256 },
];

export const STRATEGIES = ['single-use', 'contiguous'] as const;
export type WalkStrategy = (typeof STRATEGIES)[number];

/** One point of the sweep; means over the seeds, with the least and most where a range is given. */
export interface WalkPoint {
  readonly strategy: WalkStrategy;
  readonly flows: number;
  readonly ring_slots: number;
  readonly iotlb_entries: number;
  /** Table reads of the unit for each page that was received: M. */
  readonly reads_per_page: number;
  readonly reads_range: readonly [number, number];
  /** Walks for each page: misses of the IOTLB. */
  readonly walks_per_page: number;
  /** Reads of levels above the last. */
  readonly upper_reads_per_page: number;
  readonly emulated_gbps: number;
  readonly emulated_range: readonly [number, number];
  /** What the line says for this M. */
  readonly model_gbps: number;
  /** Share of the time in which the walker was at work. */
  readonly walker_busy: number;
  /** What limits this point; the line speaks of those that the walker limits. */
  readonly bound_by: 'walker' | 'wire';
  /** emulated / model - 1, where the walker is the limit. */
  readonly error?: number;
  /** emulated / the same with no IOMMU. */
  readonly share_of_off: number;
}

export interface WalkCostResult {
  readonly experiment: 'walk-cost';
  readonly seed: number;
  readonly seeds: number;
  readonly warm_up_ns: number;
  readonly window_ns: number;
  readonly points: readonly WalkPoint[];
  readonly figures: readonly ComparedFigure[];
}

/** What differs from the machine that the experiment describes. */
export interface WalkChanges {
  readonly nic?: Partial<NicParameters>;
  readonly timing?: Partial<TimingParameters>;
}

/** One run. */
export interface Sample {
  readonly gbps: number;
  readonly reads: number;
  readonly walks: number;
  readonly busy: number;
}

/** What was found in one place of the sweep. */
export interface MeasuredSetting {
  readonly points: readonly { readonly point: WalkPoint; readonly runs: readonly Sample[] }[];
}

/** The published figures, what of a run each is, and with how many flows. */
const COMPARED = [
  [PUBLISHED.readsFew, 5, 'reads'],
  [PUBLISHED.missesFew, 5, 'walks'],
  [PUBLISHED.bpsFew, 5, 'gbps'],
  [PUBLISHED.readsMany, 40, 'reads'],
  [PUBLISHED.missesMany, 40, 'walks'],
  [PUBLISHED.bpsMany, 40, 'gbps'],
] as const;

/** Assembles the results of `SETTINGS`, in their order. */
export function walkCostResult(seed: number, settings: readonly MeasuredSetting[]): WalkCostResult {
  const measured = settings.flatMap(({ points }) => points);
  const strict = (flows: number): readonly Sample[] => {
    const found = measured.find(
      ({ point }) => point.strategy === 'single-use' && point.flows === flows && point.ring_slots === 256,
    );
    if (found === undefined) throw new InvariantViolation(`no point with ${flows} flows`);
    return found.runs;
  };
  return {
    experiment: 'walk-cost',
    seed,
    seeds: SEEDS,
    warm_up_ns: WARM_UP_NS,
    window_ns: WINDOW_NS,
    points: measured.map(({ point }) => point),
    figures: COMPARED.map(([figure, flows, key]) =>
      compareFigure(
        figure,
        strict(flows).map((run) => run[key]),
      ),
    ),
  };
}

/** A place of the sweep without an IOMMU, or with a strategy. */
export interface WalkPlace {
  readonly setting: WalkSetting;
  readonly strategy: WalkStrategy | 'off';
}

/** Every place of the sweep, setting by setting. */
export function walkPlaces(settings: readonly WalkSetting[] = SETTINGS): WalkPlace[] {
  return settings.flatMap((setting) =>
    (['off', ...STRATEGIES] as const).map((strategy) => ({ setting, strategy })),
  );
}

/** One of them with one seed. */
export function measureWalk({ setting, strategy, seed }: WalkPlace & { readonly seed: number }): Sample {
  return sample(strategy === 'off' ? undefined : strategy, setting, seed);
}

/** What each setting found. @param runs of each place, one per seed */
export function measuredSettings(
  places: readonly WalkPlace[],
  runs: readonly (readonly Sample[])[],
): MeasuredSetting[] {
  const settings = [...new Set(places.map(({ setting }) => setting))];
  return settings.map((setting) => {
    const runsOf = (strategy: WalkPlace['strategy']) =>
      runs[places.findIndex((place) => place.setting === setting && place.strategy === strategy)] ?? [];
    const offGbps = mean(runsOf('off').map(({ gbps }) => gbps));
    const points = STRATEGIES.map((strategy) => {
      const own = runsOf(strategy);
      return { point: pointOf(strategy, setting, own, offGbps), runs: own };
    });
    return { points };
  });
}

function pointOf(
  strategy: WalkStrategy,
  setting: WalkSetting,
  runs: readonly Sample[],
  offGbps: number,
): WalkPoint {
  const of = (value: (run: Sample) => number) => runs.map(value);
  const range = (values: readonly number[]) =>
    [rounded(Math.min(...values)), rounded(Math.max(...values))] as const;
  const gbps = of((run) => run.gbps);
  const reads = of((run) => run.reads);
  const busy = mean(of((run) => run.busy));
  const model = modelBps(mean(reads)) / 1e9;
  const bound = busy >= BOUND_SHARE;
  return {
    strategy,
    flows: setting.flows,
    ring_slots: setting.ringSlots,
    iotlb_entries: setting.iotlbEntries,
    reads_per_page: rounded(mean(reads)),
    reads_range: range(reads),
    walks_per_page: rounded(mean(of((run) => run.walks))),
    upper_reads_per_page: rounded(mean(of((run) => run.reads - run.walks))),
    emulated_gbps: rounded(mean(gbps)),
    emulated_range: range(gbps),
    model_gbps: rounded(model),
    walker_busy: rounded(busy),
    bound_by: bound ? 'walker' : 'wire',
    ...(bound ? { error: rounded(mean(gbps) / model - 1) } : {}),
    share_of_off: rounded(mean(gbps) / offGbps),
  };
}

/**
 * One machine that receives pages as fast as 100 Gb/s brings them. Only table reads may limit it: CPU work takes
 * (nearly) nothing, invalidations take no time, and the link to memory is wider than the wire.
 */
export function sample(
  strategy: WalkStrategy | undefined,
  setting: WalkSetting,
  seed: number,
  changes: WalkChanges = {},
): Sample {
  const { flows, ringSlots, iotlbEntries } = setting;
  const random = xoroshiro128plus(seed);
  const { details, framesReceived, windowNs } = steadyRun({
    scenario: {
      guests: Array.from({ length: flows }, () => ({
        receive: {
          kind: 'greedy' as const,
          frameBytes: PAGE_BYTES,
          startNs: uniformInt(random, 0, START_SPREAD_NS),
        },
        receiveSlots: ringSlots,
        bufferBytes: PAGE_BYTES,
        coalesceNs: 5_000,
        memoryMegabytes: 32,
      })),
      nic: {
        rateBps: LINE_BPS,
        contexts: 64,
        interruptGapNs: 0,
        pcie: { generation: 3, lanes: 16 },
        ...changes.nic,
      },
      host: { cores: flows, hertz: 1e11 },
    },
    protection:
      strategy === undefined
        ? makeProtection('none')
        : oneWalker(strategy, iotlbEntries, seed, changes.timing),
    seed,
    warmUpNs: WARM_UP_NS,
    windowNs: WINDOW_NS,
  });
  // Without an IOMMU nothing walks, and nothing counts it.
  const walks = strategy === undefined ? 0 : present(details.walks);
  const reads = strategy === undefined ? 0 : present(details.tableReads) + present(details.contextReads);
  return {
    gbps: (framesReceived * PAGE_BYTES * 8) / windowNs,
    reads: reads / framesReceived,
    walks: walks / framesReceived,
    busy: (walks * PAGE_NS + reads * TABLE_READ_NS) / windowNs,
  };
}

/** The paper's host: one requester, so one I/O address space for all flows, and one walk at a time. */
function oneWalker(
  strategy: WalkStrategy,
  iotlbEntries: number,
  seed: number,
  changes: Partial<TimingParameters> = {},
): Iommu {
  return new Iommu({
    strategy,
    oneRequesterId: true,
    seed,
    timing: {
      walkers: 1,
      iotlbEntries,
      iotlbWays: iotlbEntries,
      walkOverheadNs: PAGE_NS,
      tableReadNs: TABLE_READ_NS,
      globalInvalidationNs: 0,
      domainInvalidationNs: 0,
      pageInvalidationNs: 0,
      ...changes,
    },
    queueTiming: { descriptorFetchNs: 0, statusWriteNs: 0 },
  });
}
