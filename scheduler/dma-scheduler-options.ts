import type { ContextId } from './branded.js';
import type { Discipline } from './discipline.js';
import type { HeadsOfLine } from './heads-of-line.js';

/** Options of a DmaScheduler. */
export interface DmaSchedulerOptions {
  /** Name of the component, e.g. `nic.transmit`; errors and streams carry it. */
  readonly name: string;
  readonly discipline: Discipline;
  readonly heads: HeadsOfLine;
  /** The context is granted its head frame of `bytes`, and takes it from its queue before it returns. */
  readonly onGrant: (context: ContextId, bytes: number) => void;
  /** Overhead of a frame on the link, bytes; the discipline counts it with each frame. Default: 0. */
  readonly overheadBytes?: number;
  /**
   * Whether decisions wait while the context granted last is starved and the link still has granted frames to
   * send. The link stays busy, and the shares do not depend on how fast descriptors arrive. When the link has
   * no more of them, or with false (the default), the context is `starve`d and the others continue.
   */
  readonly waitsForStarved?: boolean;
  /**
   * With `waitsForStarved`: whether decisions wait for a starved context even while the link is idle, because it is the
   * card that has no space for more of what the context has posted. For a link on which nothing hides the fetch: it
   * costs time of the link, and so must not be at the discretion of a guest that posts late. Default: for none.
   */
  readonly isHeldUp?: (context: ContextId) => boolean;
  /** A decision event has ended: nothing can be granted before the next `ring`, `credit` or eligible time. */
  readonly onSettled?: () => void;
  /** Receives what a decision throws. Default: it is thrown by the kernel's `run`. */
  readonly onError?: (error: unknown) => void;
}

/** One decision, as an observer sees it. */
export interface Grant {
  readonly context: ContextId;
  readonly bytes: number;
  readonly atNs: number;
  /** Credit that the link has left after this grant, bytes. */
  readonly creditBytes: number;
  /** The discipline that decided. */
  readonly reason: string;
}
