import { ParameterError } from '../../../../scheduler/errors.js';
import { IOVA_ERA_NAMES, type IovaEraName } from '../iova-eras.js';
import type { StrategyMaker } from '../mapping-strategy.js';
import { Contiguous } from './contiguous.js';
import { Deferred, type DeferredOptions } from './deferred.js';
import { DirectMap } from './direct-map.js';
import { FlushOnWrap, type FlushOnWrapOptions } from './flush-on-wrap.js';
import { Persistent, type PersistentOptions } from './persistent.js';
import { ShadowCopy } from './shadow-copy.js';
import { Shared } from './shared.js';
import { LINUX_KERNELS, SingleUse, type SingleUseOptions } from './single-use.js';
import { Swiotlb } from './swiotlb.js';

/** Options of the strategies; each takes those that it knows. */
export type StrategyOptions = Partial<
  DeferredOptions & PersistentOptions & SingleUseOptions & FlushOnWrapOptions
>;

/** One mapping strategy as a list shows it. */
export interface StrategyEntry {
  readonly name: string;
  /** One line. */
  readonly meaning: string;
  readonly make: (options: StrategyOptions) => StrategyMaker;
}

/** Options of strategies where nothing else is said. */
export const STRATEGY_DEFAULTS = {
  linuxKernel: '6.1',
  iovaAllocator: 'rcache',
  quotaPages: 8192,
  queueEntries: 256,
  timeoutNs: 10_000_000,
  pinUntilFlush: false,
  tablePages: 65_536,
  lineFlushNs: 100,
  quiesceNs: 10_000,
} as const;

/** Every mapping strategy, in the order in which the literature came to them. */
export const STRATEGIES: readonly StrategyEntry[] = [
  {
    name: 'direct-map',
    meaning: 'all of the guest, from start to end',
    make: () => (space) => new DirectMap(space),
  },
  {
    name: 'single-use',
    meaning: 'each buffer for its transfer, invalidated before it is used again',
    make: (options) => {
      const all = {
        linuxKernel: oneOf(
          'linuxKernel',
          options.linuxKernel ?? STRATEGY_DEFAULTS.linuxKernel,
          LINUX_KERNELS,
        ),
        iovaAllocator: iovaAllocatorOf(options),
      };
      return (space) => new SingleUse(space, all);
    },
  },
  {
    name: 'shared',
    meaning: 'a page while any transfer uses it',
    make: () => (space) => new Shared(space),
  },
  {
    name: 'persistent',
    meaning: 'a page from its first use until it is wanted back',
    make: (options) => {
      const quotaPages = atLeastOne('quotaPages', options.quotaPages ?? STRATEGY_DEFAULTS.quotaPages);
      return (space) => new Persistent(space, { quotaPages });
    },
  },
  {
    name: 'deferred',
    meaning: 'unmapped at once, invalidated later, many together',
    make: (options) => {
      const all = {
        queueEntries: atLeastOne('queueEntries', options.queueEntries ?? STRATEGY_DEFAULTS.queueEntries),
        timeoutNs: atLeastOne('timeoutNs', options.timeoutNs ?? STRATEGY_DEFAULTS.timeoutNs),
        pinUntilFlush: options.pinUntilFlush ?? STRATEGY_DEFAULTS.pinUntilFlush,
        iovaAllocator: iovaAllocatorOf(options),
      };
      return (space) => new Deferred(space, all);
    },
  },
  {
    name: 'shadow-copy',
    meaning: 'a permanently mapped pool, and a copy of every page',
    make: () => (space) => new ShadowCopy(space),
  },
  {
    name: 'contiguous',
    meaning: 'ranges of 64 pages, one invalidation each, walk caches kept',
    make: () => (space) => new Contiguous(space),
  },
];

/** Strategies of one machine or one study, which are run by name and stand in no comparison of all. */
export const FURTHER_STRATEGIES: readonly StrategyEntry[] = [
  {
    name: 'flush-on-wrap',
    meaning: 'addresses from a bitmap, flushed when the search for them begins anew (Calgary)',
    make: (options) => {
      const all = {
        tablePages: atLeastOne('tablePages', options.tablePages ?? STRATEGY_DEFAULTS.tablePages),
        lineFlushNs: atLeastZero('lineFlushNs', options.lineFlushNs ?? STRATEGY_DEFAULTS.lineFlushNs),
        quiesceNs: atLeastZero('quiesceNs', options.quiesceNs ?? STRATEGY_DEFAULTS.quiesceNs),
      };
      return (space) => new FlushOnWrap(space, all);
    },
  },
  {
    name: 'swiotlb',
    meaning: 'single use, and parts of pages in bounce buffers, as Linux does for devices it does not trust',
    make: () => (space) => new Swiotlb(space),
  },
];

const EVERY_STRATEGY = [...STRATEGIES, ...FURTHER_STRATEGIES];

/** The entry of a strategy. @throws ParameterError, with the names there are, for any other name. */
export function strategyEntry(name: string): StrategyEntry {
  const entry = EVERY_STRATEGY.find((candidate) => candidate.name === name);
  if (entry === undefined) {
    const known = EVERY_STRATEGY.map((candidate) => candidate.name).join(', ');
    throw new ParameterError(`iommu strategy is "${name}", expected one of: ${known}`);
  }
  return entry;
}

function iovaAllocatorOf({ iovaAllocator = STRATEGY_DEFAULTS.iovaAllocator }: StrategyOptions): IovaEraName {
  return oneOf('iovaAllocator', iovaAllocator, IOVA_ERA_NAMES);
}

function oneOf<Name extends string>(field: string, value: Name, names: readonly Name[]): Name {
  if (names.includes(value)) return value;
  throw new ParameterError(`iommu.${field} is "${value}", expected one of: ${names.join(', ')}`);
}

function atLeastOne(field: string, value: number): number {
  if (Number.isInteger(value) && value >= 1) return value;
  throw new ParameterError(`iommu.${field} is ${value}, expected a whole number >= 1`);
}

function atLeastZero(field: string, value: number): number {
  if (Number.isInteger(value) && value >= 0) return value;
  throw new ParameterError(`iommu.${field} is ${value}, expected a whole number >= 0`);
}
