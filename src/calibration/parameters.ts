import { COSTS, type CostName } from '../../host/cpu/costs.js';
import { QUEUE_TIMING, type QueueTimingName } from '../../host/iommu/queue-timing.js';
import { TIMING, type TimingName } from '../../host/iommu/translation/parameters.js';
import { DEFAULT_NIC, NIC_PARAMETERS, type NicParameterDefinition } from '../../nic/parameters.js';
import {
  DEFAULT_PCIE,
  dataLinkEfficiencyOf,
  PCIE_PARAMETERS,
  type PcieParameters,
} from '../../nic/pcie-link.js';
import { FOUND, type ParameterChange, START_COSTS } from './headlines.js';

/** A parameter of the machine: what it is, and what it becomes when it is changed. */
export interface Parameter {
  readonly group: 'CPU' | 'IOMMU' | 'invalidation queue' | 'card' | 'link';
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly meaning: string;
  readonly source: string;
  readonly certainty: string;
  /** What cdna-2007 found instead of the default, where it did: changes start from there. */
  readonly found?: number;
  /** About 20 % less and 20 % more; the next value that there is, where not every value is one. */
  readonly steps: readonly number[];
  readonly change: (value: number) => ParameterChange;
}

/** What nic/pcie-link.ts has from the pcie-bench paper. */
const MEASURED_LINK: readonly string[] = [
  'requestHeaderBytes',
  'completionHeaderBytes',
  'dataLinkEfficiency',
];

/** The link with the efficiency that its default, 0, computes: to four digits, as published values have. */
const LINK: PcieParameters = {
  ...DEFAULT_PCIE,
  dataLinkEfficiency: Number(dataLinkEfficiencyOf(DEFAULT_PCIE).toFixed(4)),
};

/** IDs and counts cost nothing, and the experiments set the wire themselves. */
const NO_COST = ['contexts', 'rateBps', 'requesterBase', 'managementRequesterId', 'interruptGapNs'];

/** Every number of the machine that can cost or save time. */
export const PARAMETERS: readonly Parameter[] = [
  ...(Object.keys(COSTS) as CostName[]).map((name): Parameter => {
    const { cycles, per, source, certainty } = COSTS[name];
    const found = FOUND.costs[name];
    return {
      group: 'CPU',
      name,
      value: cycles,
      unit: 'cycles',
      meaning: per,
      source,
      certainty,
      ...(found === undefined ? {} : { found }),
      steps: [0.8, 1.2].map((factor) => START_COSTS[name] * factor),
      change: (value) => ({ costs: { [name]: value } }),
    };
  }),
  ...(Object.keys(TIMING) as TimingName[]).map((name): Parameter => {
    const { value, unit, meaning, source, certainty } = TIMING[name];
    return {
      group: 'IOMMU',
      name,
      value,
      unit,
      meaning,
      source,
      certainty,
      // As many ways as entries: they change with them.
      steps: name.endsWith('Ways') ? [] : wholeSteps(value),
      // Full associativity stays full: ways without entries would be no cache at all.
      change: (next) => ({ timing: { [name]: next, ...partnerOf(name, next) } }),
    };
  }),
  ...(Object.keys(QUEUE_TIMING) as QueueTimingName[]).map((name): Parameter => {
    const { value, unit, meaning, source, certainty } = QUEUE_TIMING[name];
    return {
      group: 'invalidation queue',
      name,
      value,
      unit,
      meaning,
      source,
      certainty,
      steps: wholeSteps(value),
      change: (next) => ({ queueTiming: { [name]: next } }),
    };
  }),
  ...NIC_PARAMETERS.map((entry): Parameter => {
    const { name, unit, meaning, source } = entry;
    const value = DEFAULT_NIC[name];
    return {
      group: 'card',
      name,
      value,
      unit,
      meaning,
      source,
      certainty: source.includes('RiceNIC') ? 'M' : 'assumed',
      steps: cardSteps(entry, value),
      change: (next) => ({ nic: { [name]: next } }),
    };
  }),
  ...(Object.keys(PCIE_PARAMETERS) as (keyof PcieParameters)[]).map((name): Parameter => {
    const { unit, meaning } = PCIE_PARAMETERS[name];
    return {
      group: 'link',
      name,
      value: LINK[name],
      unit,
      meaning,
      source: MEASURED_LINK.includes(name) ? 'Neugebauer et al., SIGCOMM 2018' : 'chosen',
      certainty: MEASURED_LINK.includes(name) ? 'S' : 'assumed',
      steps: linkSteps(name, LINK[name]),
      change: (next) => ({ pcie: { [name]: next } }),
    };
  }),
];

function wholeSteps(value: number): number[] {
  return value === 0 ? [] : [Math.round(value * 0.8), Math.round(value * 1.2)].filter((next) => next > 0);
}

/** Entries and ways of a fully associative cache change together. */
function partnerOf(name: TimingName, next: number): ParameterChange['timing'] {
  if (name === 'iotlbEntries') return { iotlbWays: next };
  if (name === 'walkCacheEntries') return { walkCacheWays: next };
  if (name === 'contextEntries') return { contextWays: next };
  return {};
}

/** Steps that the card accepts: a parameter at the end of its range has one step. */
function cardSteps({ name, least, most }: NicParameterDefinition, value: number): number[] {
  if (NO_COST.includes(name)) return [];
  if (name === 'descriptorCacheSlots') return [value / 2, value * 2];
  return wholeSteps(value).filter((next) => next >= least && next <= most);
}

function linkSteps(name: keyof PcieParameters, value: number): number[] {
  if (name === 'generation') return [value - 1, value + 1];
  if (name === 'dataLinkEfficiency') return [value * 0.8, 1];
  if (name === 'readCompletionBoundaryBytes') return [value * 2];
  if (['lanes', 'maxPayloadBytes', 'maxReadRequestBytes'].includes(name)) return [value / 2, value * 2];
  return wholeSteps(value);
}
