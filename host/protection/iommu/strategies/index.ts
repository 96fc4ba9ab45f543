import { ParameterError } from '../../../../scheduler/errors.js';
import type { StrategyMaker } from '../mapping-strategy.js';
import { checkStrategyOptions, type StrategyOptions } from './checked-options.js';
import { Contiguous } from './contiguous.js';
import { Deferred } from './deferred.js';
import { DirectMap } from './direct-map.js';
import { FlushOnWrap } from './flush-on-wrap.js';
import { Persistent } from './persistent.js';
import { ShadowCopy } from './shadow-copy.js';
import { Shared } from './shared.js';
import { SingleUse } from './single-use.js';
import { Swiotlb } from './swiotlb.js';

export type { StrategyOptions } from './checked-options.js';

/** One mapping strategy as a list shows it. */
export interface StrategyEntry {
  readonly name: string;
  /** One line. */
  readonly meaning: string;
  /** @throws ParameterError for an option that is not known, or has a value that it must not have */
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
export const STRATEGIES: readonly StrategyEntry[] = checked([
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
        linuxKernel: options.linuxKernel ?? STRATEGY_DEFAULTS.linuxKernel,
        iovaAllocator: options.iovaAllocator ?? STRATEGY_DEFAULTS.iovaAllocator,
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
      const quotaPages = options.quotaPages ?? STRATEGY_DEFAULTS.quotaPages;
      return (space) => new Persistent(space, { quotaPages });
    },
  },
  {
    name: 'deferred',
    meaning: 'unmapped at once, invalidated later, many together',
    make: (options) => {
      const all = {
        queueEntries: options.queueEntries ?? STRATEGY_DEFAULTS.queueEntries,
        timeoutNs: options.timeoutNs ?? STRATEGY_DEFAULTS.timeoutNs,
        pinUntilFlush: options.pinUntilFlush ?? STRATEGY_DEFAULTS.pinUntilFlush,
        iovaAllocator: options.iovaAllocator ?? STRATEGY_DEFAULTS.iovaAllocator,
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
]);

/** Strategies of one machine or one study, which are run by name and stand in no comparison of all. */
export const FURTHER_STRATEGIES: readonly StrategyEntry[] = checked([
  {
    name: 'flush-on-wrap',
    meaning: 'addresses from a bitmap, flushed when the search for them begins anew (Calgary)',
    make: (options) => {
      const all = {
        tablePages: options.tablePages ?? STRATEGY_DEFAULTS.tablePages,
        lineFlushNs: options.lineFlushNs ?? STRATEGY_DEFAULTS.lineFlushNs,
        quiesceNs: options.quiesceNs ?? STRATEGY_DEFAULTS.quiesceNs,
      };
      return (space) => new FlushOnWrap(space, all);
    },
  },
  {
    name: 'swiotlb',
    meaning: 'single use, and parts of pages in bounce buffers, as Linux does for devices it does not trust',
    make: () => (space) => new Swiotlb(space),
  },
]);

const EVERY_STRATEGY = [...STRATEGIES, ...FURTHER_STRATEGIES];

/** The entry of a strategy. @throws ParameterError, with the names there are, for any other name. */
export function strategyEntry(name: string): StrategyEntry {
  const entry = EVERY_STRATEGY.find((candidate) => candidate.name === name);
  if (entry === undefined) {
    const known = EVERY_STRATEGY.map((candidate) => candidate.name).join(', ');
    throw new ParameterError(`iommu.strategy is "${name}", expected one of: ${known}`);
  }
  return entry;
}

/** The strategies, each of which looks at its options first. */
function checked(entries: readonly StrategyEntry[]): readonly StrategyEntry[] {
  return entries.map((entry) => ({
    ...entry,
    make: (options) => {
      checkStrategyOptions(options);
      return entry.make(options);
    },
  }));
}
