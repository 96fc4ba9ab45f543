import type { Direction } from '../../../nic/context.js';
import type { ContextId } from '../../../scheduler/branded.js';
import type { AccessWalk } from '../access-steps.js';

/** Where on the machine a step of a frame happens. */
export type Station =
  | 'guest'
  | 'driver-domain'
  | 'set-up-gate'
  | 'memory'
  | 'access-gate'
  | 'context'
  | 'scheduler'
  | 'wire'
  | 'hypervisor';

/** One step in the life of a frame. */
export interface FrameStep {
  readonly atNs: number;
  readonly station: Station;
  readonly title: string;
  /** Facts, one a line. */
  readonly facts: readonly string[];
  /** Page that is touched, or -1. */
  readonly page: number;
  /** How a gate came to its answer, where one was asked. */
  readonly walk?: AccessWalk;
}

/** A frame that is followed: from the buffer to the interrupt, or from the wire to the driver. */
export interface FrameStory {
  readonly guest: string;
  readonly way: Direction;
  readonly column: number;
  /** The guest's port: a context of the card, or a front end. */
  readonly context: ContextId;
  /** First descriptor of the frame in the guest's ring, or its first request; -1 while it is not known. */
  readonly index: number;
  readonly bytes: number;
  readonly finished: boolean;
  readonly steps: readonly FrameStep[];
}
