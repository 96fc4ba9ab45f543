import { InvariantViolation } from '../../../scheduler/errors.js';
import { IOMMU_STRATEGIES, NONE, SOFTWARE } from '../mapping-approaches.js';
import { mean, rounded } from '../reference-figure.js';
import { type Spread, spreadOf, withSeeds } from '../several-seeds.js';
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
  const names = [NONE, ...IOMMU_STRATEGIES].map(({ name }) => name);
  return setting === 'metal' ? names : [...names, SOFTWARE.name];
}

/** One approach, setting, direction and size of messages. Shares are percent of the core, means over the seeds. */
export interface PricePoint {
  readonly setting: Setting;
  readonly direction: Direction;
  readonly message: Message;
  readonly approach: string;
  /** At the fixed load. */
  readonly frames_per_s: number;
  readonly frames_dropped: number;
  readonly guest_percent: number;
  readonly hypervisor_percent: number;
  readonly cpu_percent: Spread;
  readonly hypercalls_per_frame: number;
  /** CPU / CPU of `none` - 1, in percent, each seed with its own. */
  readonly rise_percent: Spread;
  /** With the core full. */
  readonly full_frames_per_s: Spread;
  /** The same as a share of what `none` carries, in percent. */
  readonly full_share_percent: Spread;
}

/** The runs of one case: a row a seed. */
export interface MeasuredCase extends MessageCase {
  readonly fixed: readonly BenchRow[];
  readonly full: readonly BenchRow[];
}

/** All cases of one approach in one setting. */
export interface MeasuredPrice {
  readonly setting: Setting;
  readonly approach: string;
  readonly cases: readonly MeasuredCase[];
}

/** All sizes and directions, at both loads, with all seeds. */
export function measurePrice({
  setting,
  approach,
  seed,
}: {
  readonly setting: Setting;
  readonly approach: string;
  readonly seed: number;
}): MeasuredPrice {
  const runs = (one: MessageCase, load: number | 'full') =>
    withSeeds(seed, SEEDS, (own) => runBench(approach, setting, one, load, own));
  const cases = CASES.map((one) => ({
    ...one,
    fixed: runs(one, MESSAGES[one.message].framesPerSecond),
    full: runs(one, 'full'),
  }));
  return { setting, approach, cases };
}

/** How much the rise depends on the load: small messages sent, on the metal. */
export interface LoadPoint {
  readonly offered_per_s: number;
  readonly approach: string;
  readonly cpu_percent: Spread;
  readonly rise_percent: Spread;
}

export const LOADS: readonly number[] = [20_000, 40_000, 80_000, 160_000];
/** Which of ours could be what was measured in 2007: a flush a batch, or one when many have gathered. */
export const CANDIDATES: readonly string[] = ['iommu:single-use', 'iommu:deferred'];

/** The candidates and none at one load. */
export function measureLoad({
  framesPerSecond,
  seed,
}: {
  readonly framesPerSecond: number;
  readonly seed: number;
}): LoadPoint[] {
  const [none = [], ...others] = [NONE.name, ...CANDIDATES].map((approach) =>
    withSeeds(seed, SEEDS, (own) =>
      runBench(approach, 'metal', { direction: 'transmit', message: 'small' }, framesPerSecond, own),
    ),
  );
  return others.map((rows, index) => ({
    offered_per_s: framesPerSecond,
    approach: CANDIDATES[index] ?? '',
    cpu_percent: spreadOf(rows.map(cpuOf)),
    rise_percent: spreadOf(risesOf(rows, none)),
  }));
}

/** Points of what was measured; `none` of each setting must be among it. */
export function pricePoints(measured: readonly MeasuredPrice[]): PricePoint[] {
  return measured.flatMap(({ setting, approach, cases }) => {
    const bases = casesOf(measured, setting, NONE.name);
    return cases.map((one, index) => pointOf(setting, approach, one, caseAt(bases, index)));
  });
}

/** The most that CPU rose over the cases, in percent of that of `none`: one value a seed. */
export function mostRises(measured: readonly MeasuredPrice[], setting: Setting, approach: string): number[] {
  const bases = casesOf(measured, setting, NONE.name);
  const rises = casesOf(measured, setting, approach).map((one, index) =>
    risesOf(one.fixed, caseAt(bases, index).fixed),
  );
  return Array.from({ length: SEEDS }, (_, run) =>
    Math.max(...rises.map((seeds) => seeds[run] ?? Number.NaN)),
  );
}

function casesOf(measured: readonly MeasuredPrice[], setting: Setting, approach: string) {
  const found = measured.find((one) => one.setting === setting && one.approach === approach);
  if (found === undefined) throw new InvariantViolation(`${approach} was not measured (${setting})`);
  return found.cases;
}

function caseAt(cases: readonly MeasuredCase[], index: number): MeasuredCase {
  const found = cases[index];
  if (found === undefined) throw new InvariantViolation(`case ${index} was not measured`);
  return found;
}

/** How much more CPU than `none` the same seed took, in percent. */
function risesOf(rows: readonly BenchRow[], none: readonly BenchRow[]): number[] {
  return rows.map((row, run) => {
    const without = none[run];
    return without === undefined ? Number.NaN : 100 * (cpuOf(row) / cpuOf(without) - 1);
  });
}

function cpuOf({ guest, hypervisor }: BenchRow): number {
  return guest + hypervisor;
}

function pointOf(setting: Setting, approach: string, one: MeasuredCase, base: MeasuredCase): PricePoint {
  const { direction, message, fixed, full } = one;
  const average = (name: keyof BenchRow) => rounded(mean(fixed.map((row) => row[name])));
  const ratios = (ours: readonly number[], others: readonly number[]) =>
    ours.map((value, index) => (100 * value) / (others[index] ?? Number.NaN));
  const rate = (rows: readonly BenchRow[]) => rows.map(({ framesPerSecond }) => framesPerSecond);
  return {
    setting,
    direction,
    message,
    approach,
    frames_per_s: average('framesPerSecond'),
    frames_dropped: average('framesDropped'),
    guest_percent: average('guest'),
    hypervisor_percent: average('hypervisor'),
    cpu_percent: spreadOf(fixed.map(cpuOf)),
    hypercalls_per_frame: average('hypercallsPerFrame'),
    rise_percent: spreadOf(risesOf(one.fixed, base.fixed)),
    full_frames_per_s: spreadOf(rate(full)),
    full_share_percent: spreadOf(ratios(rate(full), rate(base.full))),
  };
}
