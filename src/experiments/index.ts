import { cdna2007 } from './cdna-2007/experiment.js';
import type { Experiment } from './experiment.js';
import { iommuHardware } from './iommu-hardware/experiment.js';
import { isolation } from './isolation/experiment.js';
import { nestedStrict } from './nested-strict/experiment.js';
import { priceOfSafety } from './price-of-safety/experiment.js';
import { scaling } from './scaling/experiment.js';
import { strategies } from './strategies/experiment.js';
import { walkCost } from './walk-cost/experiment.js';

export type { Experiment, ExperimentOutcome, ExperimentRequest } from './experiment.js';

/** Every experiment that `reproduce` knows, in the order in which `reproduce all` runs them. */
export const EXPERIMENTS: readonly Experiment[] = [
  iommuHardware,
  walkCost,
  cdna2007,
  priceOfSafety,
  nestedStrict,
  strategies,
  scaling,
  isolation,
];
