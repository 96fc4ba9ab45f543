export {
  type Burst,
  burst,
  contextNumbers,
  frameBytes,
  fullShares,
  largeWeights,
  MAX_CONTEXT_NUMBER,
  MAX_FRAME_BYTES,
  MAX_WEIGHT,
  MIN_FRAME_BYTES,
  startNs,
  weightedShares,
  weights,
} from './arbitraries.js';
export type { Breaker } from './backlog-accounts.js';
export { type CheckReport, checkDiscipline } from './check-discipline.js';
export type { CheckOptions } from './check-options.js';
export { type Counterexample, LawBroken } from './law-broken.js';
export { LongRunLaw } from './long-run-law.js';
export { playStep } from './play-step.js';
export { type RelativeFairnessBound, RelativeFairnessLaw } from './relative-fairness-law.js';
export { requireScript, type Script, type Step, scriptFromJson } from './script.js';
export { longRun, type ScriptOptions, scripts } from './scripts.js';
export { type StarvationBound, StarvationLaw, starvationFromGap } from './starvation-law.js';
export { type LinkEvent, Timeline } from './timeline.js';
export {
  type Companion,
  type LinkWatcher,
  type PublishedOrder,
  VirtualLink,
  type VirtualLinkOptions,
} from './virtual-link.js';
