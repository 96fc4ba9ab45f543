export {
  burst,
  frameBytes,
  fullShares,
  MAX_FRAME_BYTES,
  MIN_FRAME_BYTES,
  weightedShares,
  weights,
} from './arbitraries.js';
export { type CheckOptions, type CheckReport, checkDiscipline } from './check-discipline.js';
export {
  Arrive,
  ComeAndGo,
  JoinOrLeave,
  type LinkCommand,
  linkCommands,
  Needless,
  Pass,
  type ScriptOptions,
  Serve,
  ServeWhileArriving,
  Withdraw,
} from './commands.js';
export { LawBroken } from './law-broken.js';
export { type Breaker, type RelativeFairnessBound, RelativeFairnessLaw } from './relative-fairness-law.js';
export { type StarvationBound, StarvationLaw, starvationFromGap } from './starvation-law.js';
export { type LinkEvent, Timeline } from './timeline.js';
export { type LinkWatcher, VirtualLink, type VirtualLinkOptions } from './virtual-link.js';
