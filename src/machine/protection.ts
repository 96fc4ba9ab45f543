import { type ApproachOptions, makeProtection } from '../../host/protection/approaches.js';
import type { ProtectionPlan } from '../../host/protection/protection.js';
import type { Scenario } from '../scenario/schema.js';

/** Makes the approach of a run, with what the scenario says of IOMMUs. @throws ParameterError */
export function protectionOf(name: string, scenario: Scenario): ProtectionPlan {
  return makeProtection(name, approachOptions(scenario));
}

/** What a scenario says of IOMMUs, as approaches take it. */
export function approachOptions({ iommu = {} }: Pick<Scenario, 'iommu'>): ApproachOptions {
  const {
    vendor,
    oneRequesterId,
    cachingMode,
    faultLimit,
    iotlbEntries,
    walkers,
    tableReadNs,
    pageInvalidationNs,
    ...rest
  } = iommu;
  // An IOTLB of another size is still fully associative, as the default is.
  const iotlb = iotlbEntries === undefined ? {} : { iotlbEntries, iotlbWays: iotlbEntries };
  return {
    ...given({ vendor, oneRequesterId, cachingMode, faultLimit }),
    timing: { ...iotlb, ...given({ walkers, tableReadNs, pageInvalidationNs }) },
    strategyOptions: given(rest),
  };
}

/** What was left out must not hide defaults. */
function given<T extends object>(options: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
