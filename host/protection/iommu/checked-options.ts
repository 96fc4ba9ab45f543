import {
  refuseValue,
  requireFlag,
  requireFunction,
  requireWhole,
} from '../../../scheduler/checked-values.js';
import { ParameterError } from '../../../scheduler/errors.js';
import { refuseUnknownOptions } from '../../../scheduler/known-options.js';
import { queueTiming } from '../../iommu/queue-timing.js';
import { timingParameters } from '../../iommu/translation/parameters.js';
import { vtdCapabilities } from '../../iommu/vtd/capabilities.js';
import { assertFaultLimit } from './fault-limit.js';
import { IOMMU_VENDORS } from './iommu-driver.js';
import type { IommuOptions, OwnStrategy } from './iommu-options.js';
import { queueLockOptions } from './queue-lock.js';
import { checkStrategyOptions } from './strategies/checked-options.js';

/** What a unit and its driver are told; the strategy is not among it. */
export type UnitOptions = Omit<IommuOptions, 'strategy'>;

export const UNIT_OPTIONS: Readonly<Record<keyof UnitOptions, true>> = {
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

const STRATEGY_FIELDS: Readonly<Record<keyof OwnStrategy, true>> = {
  name: true,
  hypervisorRings: true,
  handOver: true,
  make: true,
};

const HAND_OVERS: readonly unknown[] = ['hypervisor-writes', 'map-then-write', 'write'];

/** @throws ParameterError for options that no unit of the vendor has. */
export function assertIommuOptions(options: UnitOptions): void {
  const { vendor, oneRequesterId, cachingMode, queueLock, strategyOptions } = options;
  if (vendor !== undefined && !IOMMU_VENDORS.includes(vendor))
    refuseValue('iommu.vendor', vendor, `one of: ${IOMMU_VENDORS.join(', ')}`);
  if (oneRequesterId !== undefined) requireFlag('iommu.oneRequesterId', oneRequesterId);
  if (cachingMode !== undefined) requireFlag('iommu.cachingMode', cachingMode);
  if (vendor === 'amdvi' && cachingMode === true) {
    throw new ParameterError(
      'iommu.cachingMode is true, expected false: AMD-Vi does not cache absent entries',
    );
  }
  if (vendor === 'amdvi' && options.capabilities !== undefined)
    throw new ParameterError('iommu.capabilities is given, expected none for amdvi: they are CAP and ECAP');
  if (vendor !== 'amdvi' && options.maxMode !== undefined)
    throw new ParameterError(`iommu.maxMode is ${options.maxMode}, expected none for vtd: it is EFR.HATS`);
  if (options.maxMode !== undefined && ![4, 5, 6].includes(options.maxMode))
    refuseValue('iommu.maxMode', options.maxMode, '4, 5 or 6');
  if (options.faultLimit !== undefined) assertFaultLimit(options.faultLimit);
  if (options.seed !== undefined) requireWhole('iommu.seed', options.seed, 0);
  if (strategyOptions !== undefined) checkStrategyOptions(strategyOptions);
  // What the parts of a machine look at again when it is built.
  timingParameters(options.timing);
  queueTiming(options.queueTiming);
  vtdCapabilities(options.capabilities);
  if (queueLock !== undefined) queueLockOptions(queueLock);
}

/** @throws ParameterError for what is neither the name of a strategy nor one of one's own */
export function assertStrategy(strategy: unknown): void {
  if (typeof strategy === 'string') return;
  if (typeof strategy !== 'object' || strategy === null || Array.isArray(strategy))
    refuseValue('iommu.strategy', strategy, 'the name of a strategy, or one of your own');
  const own = strategy as Partial<OwnStrategy>;
  refuseUnknownOptions('iommu.strategy', own, STRATEGY_FIELDS);
  if (typeof own.name !== 'string' || own.name === '') refuseValue('iommu.strategy.name', own.name, 'text');
  requireFlag('iommu.strategy.hypervisorRings', own.hypervisorRings);
  if (own.handOver !== undefined && !HAND_OVERS.includes(own.handOver))
    refuseValue('iommu.strategy.handOver', own.handOver, `one of: ${HAND_OVERS.join(', ')}`);
  requireFunction('iommu.strategy.make', own.make, 'a function that makes a strategy for a space');
}
