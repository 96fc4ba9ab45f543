import type { ContextId } from './branded.js';

/**
 * Takes the place of a head's length: the context has frames, and the first of them is for another link, or may not go
 * now. As with STARVED it keeps its position where the discipline can, but decisions never wait for it: how long that frame
 * waits is not this link's to know.
 */
export const BEHIND = -2;

/** What the scheduler asks of the component that holds the queues. */
export interface HeadsOfLine {
  /**
   * Bytes of the frame at the head of the context's queue; STARVED while the context has frames of which the first
   * is not known yet; BEHIND while the first is for another link or the context is paused; 0 while it has none. After
   * anything but a length the context's doorbell must be rung when that changes.
   */
  headBytes(context: ContextId): number;
}
