import { refuseValue } from '../../../scheduler/checked-values.js';
import { refuseUnknownOptions } from '../../../scheduler/known-options.js';

/** How sure a figure is: S public source, S2 second hand, D derived, M+ to M- from memory, or assumed. */
export type TimingCertainty = 'S' | 'S2' | 'D' | 'M+' | 'M' | 'M-' | 'assumed';

/** A number that describes the hardware, and where it comes from. */
export interface TimingParameter {
  readonly value: number;
  readonly unit: string;
  readonly meaning: string;
  readonly source: string;
  readonly certainty: TimingCertainty;
}

/** Which entry of a full set is evicted. */
export type Replacement = 'random' | 'lru' | 'fifo';

/**
 * Which walker a walk waits for. `page`: each walker owns the pages whose number has one remainder, so walks can
 * queue at one walker while another is idle. `any`: one queue, the first free walker takes its head.
 */
export type WalkerAssignment = 'page' | 'any';

const parameter = (
  value: number,
  unit: string,
  meaning: string,
  source: string,
  certainty: TimingCertainty,
): TimingParameter => ({ value, unit, meaning, source, certainty });

const PCIE_BENCH = 'fitted to pcie-bench data (Neugebauer et al., SIGCOMM 2018), docs/iommu-hardware.md';
const FAST_AND_SAFE = 'Fast & Safe IO Memory Protection, SOSP 2024';
const RIOMMU = 'rIOMMU, ASPLOS 2015: 2,127 cycles of an unmap, taken at 3.1 GHz';

/** Every number of the timing model. The defaults are a Broadwell Xeon E5's VT-d unit. */
export const TIMING = {
  iotlbEntries: parameter(117, 'entries', 'translations that the IOTLB holds', PCIE_BENCH, 'D'),
  iotlbWays: parameter(
    117,
    'ways',
    'entries of an IOTLB set; as many as entries: any page anywhere',
    PCIE_BENCH,
    'D',
  ),
  walkCacheEntries: parameter(
    64,
    'entries',
    'entries of the walk cache of each level above the last',
    'assumed',
    'assumed',
  ),
  walkCacheWays: parameter(64, 'ways', 'entries of a walk cache set', 'assumed', 'assumed'),
  contextEntries: parameter(
    64,
    'entries',
    'requesters in the context or device-table cache',
    'assumed',
    'assumed',
  ),
  contextWays: parameter(64, 'ways', 'entries of a context cache set', 'assumed', 'assumed'),
  walkers: parameter(8, 'walkers', 'walks that can be under way at once', PCIE_BENCH, 'D'),
  lookupNs: parameter(0, 'ns', 'a look into the caches; hidden in the way to memory', 'assumed', 'assumed'),
  walkIntervalNs: parameter(45, 'ns', 'least time between the starts of two walks', PCIE_BENCH, 'D'),
  walkOverheadNs: parameter(91, 'ns', 'of a walk, besides its reads', PCIE_BENCH, 'D'),
  tableReadNs: parameter(197, 'ns', 'a read of a table, context or root entry', FAST_AND_SAFE, 'S'),
  globalInvalidationNs: parameter(686, 'ns', 'a global invalidation', RIOMMU, 'M+'),
  domainInvalidationNs: parameter(686, 'ns', 'an invalidation of one domain', RIOMMU, 'M+'),
  pageInvalidationNs: parameter(
    686,
    'ns',
    'an invalidation of a page range, whatever its length',
    RIOMMU,
    'M+',
  ),
  deviceTlbInvalidationNs: parameter(1000, 'ns', 'the way to a device and its answer', 'assumed', 'assumed'),
} as const satisfies Record<string, TimingParameter>;

export type TimingName = keyof typeof TIMING;

/** The timing model of one IOMMU, as plain numbers (units as in `TIMING`). */
export type TimingParameters = Readonly<Record<TimingName, number>> & {
  readonly replacement: Replacement;
  readonly walkerAssignment: WalkerAssignment;
};

export const DEFAULT_TIMING: TimingParameters = {
  ...(Object.fromEntries(Object.entries(TIMING).map(([name, { value }]) => [name, value])) as Record<
    TimingName,
    number
  >),
  replacement: 'random',
  walkerAssignment: 'page',
};

/** The defaults with some changed. @throws ParameterError naming the field, its value and what was expected */
export function timingParameters(changes: Partial<TimingParameters> = {}): TimingParameters {
  refuseUnknownOptions('iommu.timing', changes, DEFAULT_TIMING);
  const all = { ...DEFAULT_TIMING, ...changes };
  for (const name of Object.keys(TIMING) as TimingName[]) {
    const { unit } = TIMING[name];
    const value = all[name];
    if (unit === 'ns') {
      if (!Number.isInteger(value) || value < 0 || value > 1e9)
        refuse(name, value, 'whole nanoseconds from 0 to 10^9');
    } else if (!Number.isInteger(value) || value < 1 || value > 65_536) {
      refuse(name, value, `a whole number of ${unit} from 1 to 65,536`);
    }
  }
  wholeSets('iotlb', all.iotlbEntries, all.iotlbWays);
  wholeSets('walkCache', all.walkCacheEntries, all.walkCacheWays);
  wholeSets('context', all.contextEntries, all.contextWays);
  if (!['random', 'lru', 'fifo'].includes(all.replacement)) {
    refuse('replacement', all.replacement, 'random, lru or fifo');
  }
  if (!['page', 'any'].includes(all.walkerAssignment))
    refuse('walkerAssignment', all.walkerAssignment, 'page or any');
  return all;
}

function wholeSets(cache: string, entries: number, ways: number): void {
  if (entries % ways !== 0) refuse(`${cache}Ways`, ways, `a divisor of ${cache}Entries, ${entries}`);
}

function refuse(field: string, value: unknown, expected: string): never {
  refuseValue(`iommu.timing.${field}`, value, expected);
}
