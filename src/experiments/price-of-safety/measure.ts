import { InvariantViolation } from '../../../scheduler/errors.js';
import { FLUSH_ON_WRAP, IOMMU_STRATEGIES, NONE, SOFTWARE } from '../mapping-approaches.js';
import { gather, type Measures, type PointOf } from '../measures.js';
import {
  type BenchRow,
  CASES,
  type Direction,
  MESSAGES,
  type Message,
  type MessageCase,
  runBench,
  type Setting,
} from './bench.js';

/** Runs of a point; each has its own arrivals and its own replacement in caches. */
export const SEEDS = 3;

/** Approaches of a setting, `none` first. CDNA is a hypervisor's; on the metal there is none. */
export function approachesOf(setting: Setting): string[] {
  const names = [NONE, ...IOMMU_STRATEGIES, FLUSH_ON_WRAP].map(({ name }) => name);
  return setting === 'metal' ? names : [...names, SOFTWARE.name];
}

/** Both runs of a case with one seed. */
export interface PriceRun {
  readonly fixed: BenchRow;
  readonly full: BenchRow;
}

const atFixedLoad =
  (name: keyof BenchRow) =>
  ({ fixed }: PriceRun) =>
    fixed[name];

/** What is measured of a case; `base` is the run without protection and with the same seed. */
export const MEASURES = {
  frames_per_s: {
    title: 'Frames at the fixed load',
    head: 'frames/s',
    unit: '/s',
    digits: 0,
    sentence: 'Frames per second at the load that every approach carries.',
    mean: true,
    of: atFixedLoad('framesPerSecond'),
  },
  frames_dropped: {
    title: 'Frames dropped',
    head: 'dropped',
    unit: 'count',
    sentence: 'Frames that were dropped anywhere.',
    mean: true,
    of: atFixedLoad('framesDropped'),
  },
  guest_percent: {
    title: 'Guest',
    head: 'guest %',
    unit: '%',
    sentence: 'CPU time of stack and driver, in percent of the core.',
    mean: true,
    of: atFixedLoad('guest'),
  },
  hypervisor_percent: {
    title: 'Hypervisor',
    head: 'hypervisor %',
    unit: '%',
    sentence: 'CPU time of what maps and takes interrupts, in percent of the core.',
    mean: true,
    of: atFixedLoad('hypervisor'),
  },
  cpu_percent: {
    title: 'CPU',
    head: 'CPU %',
    unit: '%',
    sentence: 'CPU time of both, in percent of the core.',
    of: ({ fixed }) => cpuOf(fixed),
  },
  hypercalls_per_frame: {
    title: 'Hypercalls per frame',
    head: 'calls/frame',
    unit: '',
    digits: 2,
    sentence: 'Hypercalls for each frame.',
    mean: true,
    of: atFixedLoad('hypercallsPerFrame'),
  },
  rise_percent: {
    title: 'Rise',
    head: 'rise %',
    unit: '%',
    sentence: 'CPU over CPU without protection, less one, in percent.',
    of: ({ fixed }, base) => riseOf(fixed, base.fixed),
  },
  full_frames_per_s: {
    title: 'Frames of a full core',
    head: 'full: frames/s',
    unit: '/s',
    digits: 0,
    sentence: 'Frames per second when the core is the limit.',
    of: ({ full }) => full.framesPerSecond,
  },
  full_share_percent: {
    title: 'What a full core still carries',
    head: '% of none',
    unit: '% of none',
    axis: '% of none',
    digits: 0,
    sentence: 'Frames per second when the core is the limit, in percent of those without protection.',
    of: ({ full }, base) => (100 * full.framesPerSecond) / base.full.framesPerSecond,
  },
} as const satisfies Measures<PriceRun>;

/** One approach, setting, direction and size of messages. */
export type PricePoint = PointOf<typeof MEASURES> & {
  readonly setting: Setting;
  readonly direction: Direction;
  readonly message: Message;
  readonly approach: string;
};

/** The runs of one case, one per seed. */
export interface MeasuredCase extends MessageCase {
  readonly runs: readonly PriceRun[];
}

/** All cases of one approach in one setting. */
export interface MeasuredPrice {
  readonly setting: Setting;
  readonly approach: string;
  readonly cases: readonly MeasuredCase[];
}

/** All sizes and directions, at both loads, with one seed: a run per case. */
export function measurePrice({
  setting,
  approach,
  seed,
}: {
  readonly setting: Setting;
  readonly approach: string;
  readonly seed: number;
}): PriceRun[] {
  return CASES.map((one) => ({
    fixed: runBench(approach, setting, one, MESSAGES[one.message].framesPerSecond, seed),
    full: runBench(approach, setting, one, 'full', seed),
  }));
}

/** What the seeds of an approach gave, case by case. */
export function pricesOf(
  setting: Setting,
  approach: string,
  bySeed: readonly (readonly PriceRun[])[],
): MeasuredPrice {
  const cases = CASES.map((one, at) => ({ ...one, runs: bySeed.flatMap((runs) => runs[at] ?? []) }));
  return { setting, approach, cases };
}

/** How much the rise depends on the load: small messages sent, on the metal. */
export const LOAD_MEASURES = {
  cpu_percent: { title: 'CPU', unit: '%', sentence: MEASURES.cpu_percent.sentence, of: cpuOf },
  rise_percent: { title: 'Rise', unit: '%', sentence: MEASURES.rise_percent.sentence, of: riseOf },
} as const satisfies Measures<BenchRow>;

export type LoadPoint = PointOf<typeof LOAD_MEASURES> & {
  readonly offered_per_s: number;
  readonly approach: string;
};

export const LOADS: readonly number[] = [20_000, 40_000, 80_000, 160_000];
/** What was measured in 2007. */
export const MEASURED = FLUSH_ON_WRAP.name;

/** It, Linux's later modes, and none, at each load. */
export const LOAD_CASES: readonly { readonly framesPerSecond: number; readonly approach: string }[] =
  LOADS.flatMap((framesPerSecond) =>
    [NONE.name, MEASURED, 'iommu:single-use', 'iommu:deferred'].map((approach) => ({
      framesPerSecond,
      approach,
    })),
  );

/** One of them with one seed. */
export function measureLoad({
  framesPerSecond,
  approach,
  seed,
}: {
  readonly framesPerSecond: number;
  readonly approach: string;
  readonly seed: number;
}): BenchRow {
  return runBench(approach, 'metal', { direction: 'transmit', message: 'small' }, framesPerSecond, seed);
}

/** Points of the loads that were measured. @param rows of each of `cases`, one per seed */
export function loadPoints(cases: typeof LOAD_CASES, rows: readonly (readonly BenchRow[])[]): LoadPoint[] {
  return cases.flatMap(({ framesPerSecond, approach }, at) => {
    if (approach === NONE.name) return [];
    const none = cases.findIndex(
      (one) => one.framesPerSecond === framesPerSecond && one.approach === NONE.name,
    );
    return [
      {
        offered_per_s: framesPerSecond,
        approach,
        ...gather(LOAD_MEASURES, rows[at] ?? [], rows[none] ?? []),
      },
    ];
  });
}

/** Points of what was measured; `none` of each setting must be among it. */
export function pricePoints(measured: readonly MeasuredPrice[]): PricePoint[] {
  return measured.flatMap(({ setting, approach, cases }) => {
    const bases = casesOf(measured, setting, NONE.name);
    return cases.map(({ direction, message, runs }, index) => ({
      setting,
      direction,
      message,
      approach,
      ...gather(MEASURES, runs, runsAt(bases, index)),
    }));
  });
}

/** The most that CPU rose over the cases, in percent of that of `none`: one value per seed. */
export function mostRises(measured: readonly MeasuredPrice[], setting: Setting, approach: string): number[] {
  const bases = casesOf(measured, setting, NONE.name);
  const cases = casesOf(measured, setting, approach);
  return Array.from({ length: SEEDS }, (_, run) =>
    Math.max(
      ...cases.map(({ runs }, index) => {
        const [own, base] = [runs[run], runsAt(bases, index)[run]];
        return own === undefined || base === undefined ? Number.NaN : riseOf(own.fixed, base.fixed);
      }),
    ),
  );
}

function casesOf(measured: readonly MeasuredPrice[], setting: Setting, approach: string) {
  const found = measured.find((one) => one.setting === setting && one.approach === approach);
  if (found === undefined) throw new InvariantViolation(`${approach} was not measured (${setting})`);
  return found.cases;
}

function runsAt(cases: readonly MeasuredCase[], index: number): readonly PriceRun[] {
  const found = cases[index];
  if (found === undefined) throw new InvariantViolation(`case ${index} was not measured`);
  return found.runs;
}

/** How much more CPU than without protection, in percent. */
function riseOf(row: BenchRow, without: BenchRow): number {
  return 100 * (cpuOf(row) / cpuOf(without) - 1);
}

function cpuOf({ guest, hypervisor }: BenchRow): number {
  return guest + hypervisor;
}
