import { ParameterError } from '../../../scheduler/errors.js';
import { refuseUnknownOptions } from '../../../scheduler/known-options.js';
import type { HostParts } from '../../host-parts.js';
import { queueTiming } from '../../iommu/queue-timing.js';
import { timingParameters } from '../../iommu/translation/parameters.js';
import { vtdCapabilities } from '../../iommu/vtd/capabilities.js';
import type { DirectPlan } from '../protection.js';
import { assertFaultLimit } from './fault-limit.js';
import { IOMMU_VENDORS } from './iommu-driver.js';
import type { IommuOptions, OwnStrategy } from './iommu-options.js';
import { IommuProtection } from './iommu-protection.js';
import { type StrategyOptions, strategyEntry } from './strategies/index.js';

export type { IommuOptions, OwnStrategy } from './iommu-options.js';

const IOMMU_OPTIONS: Readonly<Record<keyof IommuOptions, true>> = {
  strategy: true,
  strategyOptions: true,
  vendor: true,
  timing: true,
  queueTiming: true,
  queueLock: true,
  seed: true,
  oneRequesterId: true,
  faultLimit: true,
  cachingMode: true,
  capabilities: true,
  maxMode: true,
};

const STRATEGY_OPTIONS: Readonly<Record<keyof StrategyOptions, true>> = {
  queueEntries: true,
  timeoutNs: true,
  pinUntilFlush: true,
  quotaPages: true,
  linuxKernel: true,
  iovaAllocator: true,
  tablePages: true,
  lineFlushNs: true,
  quiesceNs: true,
};

/** An IOMMU and a mapping strategy, with their options. */
export class Iommu implements DirectPlan<IommuProtection> {
  readonly name: string;
  readonly #options: IommuOptions;
  readonly #strategy: OwnStrategy;

  /** @throws ParameterError for a strategy or parameter that does not exist. */
  constructor(options: IommuOptions) {
    refuseUnknownOptions('iommu', options, IOMMU_OPTIONS);
    assertIommuOptions(options);
    const { strategy } = options;
    this.#options = options;
    this.#strategy =
      typeof strategy === 'string' ? listed(strategy, options.strategyOptions ?? {}) : strategy;
    this.name = this.#strategy.name;
  }

  build(parts: HostParts): IommuProtection {
    return new IommuProtection(parts, this.#strategy, this.#options);
  }
}

/** @throws ParameterError for options that no unit of the vendor has. */
export function assertIommuOptions(options: Omit<IommuOptions, 'strategy'>): void {
  const { vendor } = options;
  if (vendor !== undefined && !IOMMU_VENDORS.includes(vendor)) {
    throw new ParameterError(`iommu.vendor is "${vendor}", expected one of: ${IOMMU_VENDORS.join(', ')}`);
  }
  if (vendor === 'amdvi' && options.cachingMode === true) {
    throw new ParameterError(
      'iommu.cachingMode is true, expected false: AMD-Vi does not cache absent entries',
    );
  }
  if (vendor === 'amdvi' && options.capabilities !== undefined)
    throw new ParameterError('iommu.capabilities is given, expected none for amdvi: they are CAP and ECAP');
  if (vendor !== 'amdvi' && options.maxMode !== undefined)
    throw new ParameterError(`iommu.maxMode is ${options.maxMode}, expected none for vtd: it is EFR.HATS`);
  if (options.maxMode !== undefined && ![4, 5, 6].includes(options.maxMode))
    throw new ParameterError(`iommu.maxMode is ${options.maxMode}, expected 4, 5 or 6`);
  if (options.faultLimit !== undefined) assertFaultLimit(options.faultLimit);
  if (options.seed !== undefined && !Number.isSafeInteger(options.seed))
    throw new ParameterError(`iommu.seed is ${options.seed}, expected a whole number`);
  // What the parts of a machine look at again when it is built.
  timingParameters(options.timing);
  queueTiming(options.queueTiming);
  vtdCapabilities(options.capabilities);
}

/** A strategy of the list, as an approach. */
function listed(name: string, options: StrategyOptions): OwnStrategy {
  refuseUnknownOptions('iommu.strategyOptions', options, STRATEGY_OPTIONS);
  const entry = strategyEntry(name);
  return { name: `iommu:${entry.name}`, hypervisorRings: false, make: entry.make(options) };
}
