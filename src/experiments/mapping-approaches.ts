import { makeProtection } from '../../host/protection/approaches.js';
import { Iommu } from '../../host/protection/iommu/iommu.js';
import type { ProtectionPlan } from '../../host/protection/protection.js';
import { InvariantViolation } from '../../scheduler/errors.js';

/** An approach by what decides when pages are mapped: nothing, a strategy of an IOMMU, or CDNA, which needs none. */
export interface MappingApproach {
  /** As the command line has it, with a remark where it differs from that. */
  readonly name: string;
  /** As plots and tables show it. */
  readonly title: string;
}

const strategy = (title: string): MappingApproach => ({ name: `iommu:${title}`, title });

export const NONE: MappingApproach = { name: 'none', title: 'none' };
export const SOFTWARE: MappingApproach = { name: 'cdna', title: 'software (CDNA)' };

/** The strategies of USENIX ATC 2008 first, then those that came later. */
export const IOMMU_STRATEGIES: readonly MappingApproach[] = [
  'direct-map',
  'single-use',
  'shared',
  'persistent',
  'deferred',
  'contiguous',
  'shadow-copy',
].map(strategy);

/** What Calgary's driver did, which the Price of Safety measured; in no comparison of all. */
export const FLUSH_ON_WRAP: MappingApproach = strategy('flush-on-wrap');

/** Linux's lazy mode, except that no page gets a new owner before the flush: `pinUntilFlush`. */
export const DEFERRED_PINNED: MappingApproach = {
  name: 'iommu:deferred, pinUntilFlush',
  title: 'deferred, pinned',
};

const MAPPING_APPROACHES: readonly MappingApproach[] = [NONE, ...IOMMU_STRATEGIES, SOFTWARE];
/** In the order in which they are shown, `none` first. */
export const APPROACHES: readonly string[] = MAPPING_APPROACHES.map(({ name }) => name);

/** Fresh for one machine. The seed is that of the replacement in the unit's caches. */
export function protectionWith(name: string, seed: number): ProtectionPlan {
  if (name === DEFERRED_PINNED.name) {
    return new Iommu({ strategy: 'deferred', seed, strategyOptions: { pinUntilFlush: true } });
  }
  if (!name.startsWith('iommu:')) return makeProtection(name);
  return new Iommu({ strategy: name.slice('iommu:'.length), seed });
}

/** How plots and tables call an approach. */
export function titleOf(name: string): string {
  const found = [...MAPPING_APPROACHES, FLUSH_ON_WRAP, DEFERRED_PINNED].find(
    (approach) => approach.name === name,
  );
  if (found === undefined) throw new InvariantViolation(`approach ${name} is not in the list`);
  return found.title;
}
