import { refuseUnknownOptions } from '../../../scheduler/known-options.js';
import type { HostParts } from '../../host-parts.js';
import type { DirectPlan } from '../protection.js';
import { assertIommuOptions, assertStrategy, UNIT_OPTIONS } from './checked-options.js';
import type { IommuOptions, OwnStrategy } from './iommu-options.js';
import { IommuProtection } from './iommu-protection.js';
import { type StrategyOptions, strategyEntry } from './strategies/index.js';

export type { IommuOptions, OwnStrategy } from './iommu-options.js';

const IOMMU_OPTIONS: Readonly<Record<keyof IommuOptions, true>> = { strategy: true, ...UNIT_OPTIONS };

/** An IOMMU and a mapping strategy, with their options. */
export class Iommu implements DirectPlan<IommuProtection> {
  readonly name: string;
  readonly #options: IommuOptions;
  readonly #strategy: OwnStrategy;

  /** @throws ParameterError for a strategy or parameter that does not exist. */
  constructor(options: IommuOptions) {
    refuseUnknownOptions('iommu', options, IOMMU_OPTIONS);
    const { strategy } = options;
    assertStrategy(strategy);
    assertIommuOptions(options);
    this.#options = options;
    this.#strategy =
      typeof strategy === 'string' ? listed(strategy, options.strategyOptions ?? {}) : strategy;
    this.name = this.#strategy.name;
  }

  build(parts: HostParts): IommuProtection {
    return new IommuProtection(parts, this.#strategy, this.#options);
  }
}

/** A strategy of the list, as an approach. */
function listed(name: string, options: StrategyOptions): OwnStrategy {
  const entry = strategyEntry(name);
  return { name: `iommu:${entry.name}`, hypervisorRings: false, make: entry.make(options) };
}
