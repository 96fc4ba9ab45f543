export { BookedLine, type BookingVisitor } from './booked-line.js';
export {
  type Branded,
  type ContextId,
  contextAfter,
  contextId,
  FIRST_CONTEXT,
  NO_CONTEXT,
  storedContextId,
} from './branded.js';
export type { BoundMember, Discipline, Share } from './discipline.js';
export { NONE, requireWeight, STARVED } from './discipline.js';
export type {
  DisciplineEntry,
  DisciplineOptions,
  Tenant,
  TwoLevelOptions,
  WeightedFairQueueingOptions,
} from './disciplines/index.js';
export {
  COMPOSITIONS,
  DEFAULT_MAX_FRAME_BYTES,
  DEFAULT_QUANTUM_BYTES,
  DeficitRoundRobin,
  DISCIPLINES,
  EarliestDeadlineFirst,
  FifoDrain,
  MinimumGuarantee,
  makeDiscipline,
  PacketRoundRobin,
  PRIORITY_LEVELS,
  QuickFairQueueing,
  SelfClockedFairQueueing,
  StartTimeFairQueueing,
  StrictPriority,
  SurplusRoundRobin,
  TokenBucketLimit,
  TwoLevel,
  WeightedFairQueueing,
  WeightedRoundRobin,
  WorstCaseFairWeightedFairQueueing,
} from './disciplines/index.js';
export type { DmaSchedulerOptions, Grant, HeadsOfLine } from './dma-scheduler.js';
export { DmaScheduler } from './dma-scheduler.js';
export { InvariantViolation, ObserverError, ParameterError, UserError } from './errors.js';
export type { EventHandle, EventHandler, HandlerId } from './event-kernel.js';
export { EventKernel, KernelTimeError, MAX_TIME_NS } from './event-kernel.js';
export { type ContextChange, type FairShareOptions, type FrameQueues, fairShare } from './fair-share.js';
export { GuardedStream } from './guarded-stream.js';
export { GuardedSubject, ReentryError } from './guarded-subject.js';
export { KernelTestScheduler } from './kernel-test-scheduler.js';
export { listen } from './listen.js';
export { present } from './present.js';
export { SerialLine } from './serial-line.js';
export { KernelScheduler } from './virtual-time.js';
