import { refuseValue, requireFlag, requireWhole } from '../../../../scheduler/checked-values.js';
import { refuseUnknownOptions } from '../../../../scheduler/known-options.js';
import { IOVA_ERA_NAMES } from '../iova-eras.js';
import type { DeferredOptions } from './deferred.js';
import type { FlushOnWrapOptions } from './flush-on-wrap.js';
import type { PersistentOptions } from './persistent.js';
import { LINUX_KERNELS, type SingleUseOptions } from './single-use.js';

/** Options of the strategies; each takes those that it knows. */
export type StrategyOptions = Partial<
  DeferredOptions & PersistentOptions & SingleUseOptions & FlushOnWrapOptions
>;

const CHECKS: {
  readonly [Name in keyof Required<StrategyOptions>]: (field: string, value: unknown) => void;
} = {
  queueEntries: atLeast(1),
  timeoutNs: atLeast(1),
  pinUntilFlush: requireFlag,
  quotaPages: atLeast(1),
  linuxKernel: oneOf(LINUX_KERNELS),
  iovaAllocator: oneOf(IOVA_ERA_NAMES),
  tablePages: atLeast(1),
  lineFlushNs: atLeast(0),
  quiesceNs: atLeast(0),
};

/**
 * Checks the options of all strategies, whichever of them is to run: who writes one means it.
 * @throws ParameterError that names the option
 */
export function checkStrategyOptions(options: StrategyOptions): void {
  refuseUnknownOptions('iommu.strategyOptions', options, CHECKS);
  for (const name of Object.keys(CHECKS) as (keyof StrategyOptions)[])
    if (options[name] !== undefined) CHECKS[name](`iommu.strategyOptions.${name}`, options[name]);
}

function atLeast(least: number) {
  return (field: string, value: unknown) => requireWhole(field, value, least);
}

function oneOf(names: readonly unknown[]) {
  return (field: string, value: unknown) => {
    if (!names.includes(value)) refuseValue(field, value, `one of: ${names.join(', ')}`);
  };
}
