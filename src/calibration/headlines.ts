import { readFileSync } from 'node:fs';
import type { CostName } from '../../host/cpu/costs.js';
import { costTable } from '../../host/cpu/costs.js';
import type { QueueTiming } from '../../host/iommu/queue-timing.js';
import { TIMING, type TimingParameters } from '../../host/iommu/timing/parameters.js';
import type { NicParameters } from '../../nic/parameters.js';
import { DEFAULT_PCIE, type PcieParameters } from '../../nic/pcie-link.js';
import type { Direction } from '../experiments/cdna-2007/published.js';
import type { Cdna2007Result } from '../experiments/cdna-2007/reproduce.js';
import { runTestbed } from '../experiments/cdna-2007/testbed.js';
import { PAGE_NS } from '../experiments/walk-cost/published.js';
import { sample } from '../experiments/walk-cost/reproduce.js';

/** One parameter that is not what it was. */
export interface ParameterChange {
  readonly costs?: Partial<Record<CostName, number>>;
  readonly timing?: Partial<TimingParameters>;
  readonly queueTiming?: Partial<QueueTiming>;
  readonly nic?: Partial<Omit<NicParameters, 'pcie'>>;
  readonly pcie?: Partial<PcieParameters>;
}

/** A figure that people will take away from the project. */
export interface Headline {
  readonly name: string;
  readonly unit: string;
  readonly of: (change: ParameterChange) => number;
}

/** Lanes of the link in the walk-cost experiment. */
const WIDE_LANES = 16;
const SEED = 1;

/** The parameters that cdna-2007 found, as its stored result has them: the headlines start from there. */
export const FOUND = (
  JSON.parse(
    readFileSync(new URL('../experiments/cdna-2007/result.json', import.meta.url), 'utf8'),
  ) as Cdna2007Result
).parameters;

/** Costs as the headlines start from: the defaults, and what cdna-2007 found. */
export const START_COSTS: Readonly<Record<CostName, number>> = { ...costTable(), ...FOUND.costs };

export const HEADLINES: readonly Headline[] = [
  {
    name: 'CDNA sends, idle',
    unit: '% of CPU',
    of: (change) => testbed('cdna', 'transmit', change).idle,
  },
  {
    name: 'CDNA receives, idle',
    unit: '% of CPU',
    of: (change) => testbed('cdna', 'receive', change).idle,
  },
  {
    name: "CDNA's protection",
    unit: '% of CPU',
    of: (change) =>
      testbed('cdna', 'transmit', change).hypervisor - testbed('none', 'transmit', change).hypervisor,
  },
  { name: 'Xen sends', unit: 'Mb/s', of: (change) => testbed('driver-domain', 'transmit', change).mbps },
  { name: 'Xen receives', unit: 'Mb/s', of: (change) => testbed('driver-domain', 'receive', change).mbps },
  {
    name: 'single-use sends, idle',
    unit: '% of CPU',
    of: (change) => testbed('iommu:single-use', 'transmit', change).idle,
  },
  {
    name: 'strict, one walker',
    unit: 'Gb/s',
    of: ({ nic, pcie, timing }) =>
      sample('single-use', { flows: 5, ringSlots: 256, iotlbEntries: 64 }, SEED, {
        nic: {
          ...nic,
          ...(pcie === undefined ? {} : { pcie: { ...DEFAULT_PCIE, lanes: WIDE_LANES, ...pcie } }),
        },
        timing: forOneWalker(timing),
      }).gbps,
  },
];

/**
 * What of a change reaches the walk-cost machine: it has one walker with an overhead of its own, which changes by the
 * same factor, and its invalidations take no time.
 */
function forOneWalker(timing: Partial<TimingParameters> = {}): Partial<TimingParameters> {
  const { walkers, globalInvalidationNs, domainInvalidationNs, pageInvalidationNs, ...rest } = timing;
  if (rest.walkOverheadNs === undefined) return rest;
  const factor = rest.walkOverheadNs / TIMING.walkOverheadNs.value;
  return { ...rest, walkOverheadNs: Math.round(PAGE_NS * factor) };
}

function testbed(approach: string, direction: Direction, change: ParameterChange) {
  const { costs, nic, pcie, timing, queueTiming } = change;
  return runTestbed(approach, direction, 1, { ...FOUND, costs: { ...START_COSTS, ...costs } }, SEED, {
    nic: { ...nic, ...(pcie === undefined ? {} : { pcie: { ...DEFAULT_PCIE, ...pcie } }) },
    ...(timing === undefined ? {} : { timing }),
    ...(queueTiming === undefined ? {} : { queueTiming }),
  });
}
