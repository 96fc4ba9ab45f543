import type { Cdna2007Result } from './cdna-2007/measure.js';
import type { IommuHardwareResults } from './iommu-hardware/experiment.js';
import type { IsolationResult } from './isolation/measure.js';
import type { NestedStrictResult } from './nested-strict/measure.js';
import type { PriceOfSafetyResult } from './price-of-safety/experiment.js';
import type { ReproduceHead } from './reproduce-document.js';
import type { ScalingResult } from './scaling/measure.js';
import type { StrategiesResult } from './strategies/experiment.js';
import type { WalkCostResult } from './walk-cost/measure.js';

/** Results, told apart by `experiment`. Keys carry units. */
export type ExperimentResult =
  | IommuHardwareResults
  | WalkCostResult
  | Cdna2007Result
  | PriceOfSafetyResult
  | NestedStrictResult
  | StrategiesResult
  | ScalingResult
  | IsolationResult;

/**
 * What `reproduce` prints and writes, and what lies beside each experiment as its stored result. Of several experiments
 * it prints a list. scenarios/reproduce-document.schema.json is made from this type.
 */
export type ReproduceDocumentJson =
  | (ReproduceHead & ExperimentResult)
  | (ReproduceHead & { readonly results: readonly ExperimentResult[] });
