import { TIMING } from '../../../host/iommu/translation/parameters.js';
import { Iommu } from '../../../host/protection/iommu/iommu.js';
import { InvariantViolation } from '../../../scheduler/errors.js';
import { gather } from '../measures.js';
import { type GreedySample, greedySample } from './machine.js';
import { CHANGE_MEASURES, type UnitChangePoint } from './measure.js';

type Timing = NonNullable<ConstructorParameters<typeof Iommu>[0]['timing']>;

/** With so many guests the pages of all are far more than the unit remembers. */
const CHANGED_GUESTS = 256;
/** More than all of them use. */
const PLENTY = 8192;

const FEWER_WALKERS = Math.round(TIMING.walkers.value / 2);
const MORE_WALKERS = TIMING.walkers.value * 2;

/** What is changed in the IOMMU, one thing at a time, to see what the card waits for. */
interface UnitChange {
  readonly strategy: string;
  readonly change: string;
  readonly timing: Timing;
}

const CHANGES: readonly UnitChange[] = [
  { strategy: 'persistent', change: 'as it is', timing: {} },
  { strategy: 'persistent', change: 'half as many walkers', timing: { walkers: FEWER_WALKERS } },
  { strategy: 'persistent', change: 'twice as many walkers', timing: { walkers: MORE_WALKERS } },
  { strategy: 'persistent', change: 'any walker takes any page', timing: { walkerAssignment: 'any' } },
  {
    strategy: 'persistent',
    change: 'half as many walkers, and any takes any page',
    timing: { walkers: FEWER_WALKERS, walkerAssignment: 'any' },
  },
  {
    strategy: 'persistent',
    change: 'a table read takes half as long',
    timing: { tableReadNs: Math.floor(TIMING.tableReadNs.value / 2) },
  },
  {
    strategy: 'persistent',
    change: 'walk caches hold all upper levels',
    timing: { walkCacheEntries: PLENTY, walkCacheWays: PLENTY },
  },
  {
    strategy: 'persistent',
    change: 'the IOTLB holds all pages',
    timing: { iotlbEntries: PLENTY, iotlbWays: PLENTY },
  },
  { strategy: 'deferred', change: 'as it is', timing: {} },
  { strategy: 'deferred', change: 'half as many walkers', timing: { walkers: FEWER_WALKERS } },
];

/** One of the changes and one of its seeds. */
export interface UnitChangeTask {
  readonly strategy: string;
  readonly change: string;
  readonly seed: number;
}

/** Every change. */
export function unitChanges(): Omit<UnitChangeTask, 'seed'>[] {
  return CHANGES.map(({ strategy, change }) => ({ strategy, change }));
}

/** One run of one of them. */
export function runUnitChange({ strategy, change, seed }: UnitChangeTask): GreedySample {
  const chosen = CHANGES.find((one) => one.strategy === strategy && one.change === change);
  if (chosen === undefined) throw new InvariantViolation(`there is no change "${change}" with ${strategy}`);
  const unit = new Iommu({ strategy, seed, timing: chosen.timing });
  const sample = greedySample(unit, CHANGED_GUESTS, seed);
  if (sample.walks === undefined) throw new InvariantViolation(`${strategy} has walked no table`);
  return sample;
}

/** Assembles the points of all changes. @param samples of each change, one per seed */
export function unitChangePoints(
  changes: readonly Omit<UnitChangeTask, 'seed'>[],
  samples: readonly (readonly GreedySample[])[],
): UnitChangePoint[] {
  return CHANGES.flatMap(({ strategy, change }) => {
    const at = changes.findIndex((one) => one.strategy === strategy && one.change === change);
    const runs = samples[at] ?? [];
    if (runs.length === 0) return [];
    return [
      {
        approach: `iommu:${strategy}`,
        guests: CHANGED_GUESTS,
        change,
        ...gather(CHANGE_MEASURES, runs),
      },
    ];
  });
}
