import { readFileSync } from 'node:fs';
import type { CostName } from '../../host/cpu/costs.js';
import { costTable } from '../../host/cpu/costs.js';
import type { QueueTiming } from '../../host/iommu/queue-timing.js';
import { TIMING, type TimingParameters } from '../../host/iommu/translation/parameters.js';
import type { NicParameters } from '../../nic/parameters.js';
import { DEFAULT_PCIE, type PcieParameters } from '../../nic/pcie-link.js';
import type { Cdna2007Result } from '../experiments/cdna-2007/measure.js';
import type { Direction } from '../experiments/cdna-2007/published.js';
import { runTestbed } from '../experiments/cdna-2007/testbed.js';
import { sample } from '../experiments/walk-cost/measure.js';
import { PAGE_NS } from '../experiments/walk-cost/published.js';

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
  /** Runs, a seed each, whose mean a cell is: a single run may say more of its seed than of a parameter. */
  readonly runs: number;
  readonly of: (change: ParameterChange, seed: number) => number;
  /** Where a parameter has other values in this machine than the row says: what they are, for its cell. */
  readonly here?: (name: string, from: number, to: number) => string | undefined;
}

/** Lanes of the link in the walk-cost experiment; no link has more. */
const WIDE_LANES = 16;

/** The parameters that cdna-2007 found, as its stored result has them: the headlines start from there. */
export const FOUND = (
  JSON.parse(
    readFileSync(new URL('../experiments/cdna-2007/result.json', import.meta.url), 'utf8'),
  ) as Cdna2007Result
).parameters;

/** Costs as the headlines start from: the defaults, and what cdna-2007 found. */
export const START_COSTS: Readonly<Record<CostName, number>> = { ...costTable(), ...FOUND.costs };

export const HEADLINES: readonly Headline[] = [
  row('CDNA sends, idle', 'cdna', 'transmit', 'idle'),
  row('CDNA receives, idle', 'cdna', 'receive', 'idle'),
  {
    name: "CDNA's protection",
    unit: '% of CPU',
    runs: 3,
    of: (change, seed) =>
      testbed('cdna', 'transmit', change, seed).hypervisor -
      testbed('none', 'transmit', change, seed).hypervisor,
  },
  row('Xen sends', 'driver-domain', 'transmit', 'mbps'),
  row('Xen receives', 'driver-domain', 'receive', 'mbps'),
  row('single-use sends, idle', 'iommu:single-use', 'transmit', 'idle'),
  {
    name: 'strict, one walker',
    unit: 'Gb/s',
    // Which walks meet in its one queue depends on the seed.
    runs: 6,
    of: ({ nic, pcie, timing }, seed) =>
      sample('single-use', { flows: 5, ringSlots: 256, iotlbEntries: 64 }, seed, {
        nic: { ...nic, ...(pcie === undefined ? {} : { pcie: forWideLink(pcie) }) },
        timing: forOneWalker(timing),
      }).gbps,
    here: (name, from, to) => {
      if (name === 'walkOverheadNs') return `${overheadOf(from)} to ${overheadOf(to)}`;
      if (name !== 'lanes') return undefined;
      return to > from ? `has ${WIDE_LANES}, the most` : `${WIDE_LANES} to ${wideLanes(to)}`;
    },
  },
];

/** What of a change reaches the walk-cost machine's link, which is wider. */
function forWideLink(pcie: Partial<PcieParameters>): PcieParameters {
  return { ...DEFAULT_PCIE, ...pcie, lanes: wideLanes(pcie.lanes ?? DEFAULT_PCIE.lanes) };
}

/** Lanes there, changed by the factor by which the default is changed, as far as links go. */
function wideLanes(lanes: number): number {
  return Math.min(WIDE_LANES, (WIDE_LANES * lanes) / DEFAULT_PCIE.lanes);
}

/**
 * What of a change reaches the walk-cost machine: it has one walker with an overhead of its own, which changes by the
 * same factor, and its invalidations take no time.
 */
function forOneWalker(timing: Partial<TimingParameters> = {}): Partial<TimingParameters> {
  const { walkers, globalInvalidationNs, domainInvalidationNs, pageInvalidationNs, ...rest } = timing;
  if (rest.walkOverheadNs === undefined) return rest;
  return { ...rest, walkOverheadNs: overheadOf(rest.walkOverheadNs) };
}

/** The overhead of a walk there, ns, when the default has become this. */
function overheadOf(walkOverheadNs: number): number {
  return Math.round((PAGE_NS * walkOverheadNs) / TIMING.walkOverheadNs.value);
}

/** A headline that is one cell of a row of the testbed. */
function row(name: string, approach: string, direction: Direction, column: 'idle' | 'mbps'): Headline {
  return {
    name,
    unit: column === 'idle' ? '% of CPU' : 'Mb/s',
    runs: 3,
    of: (change, seed) => testbed(approach, direction, change, seed)[column],
  };
}

function testbed(approach: string, direction: Direction, change: ParameterChange, seed: number) {
  const { costs, nic, pcie, timing, queueTiming } = change;
  return runTestbed(approach, direction, 1, { ...FOUND, costs: { ...START_COSTS, ...costs } }, seed, {
    nic: { ...nic, ...(pcie === undefined ? {} : { pcie: { ...DEFAULT_PCIE, ...pcie } }) },
    ...(timing === undefined ? {} : { timing }),
    ...(queueTiming === undefined ? {} : { queueTiming }),
  });
}
