/** What the division of a fluid link depends on; the other fields of a share decide about moments, not about rates. */
export interface FluidShare {
  /** Whole number above 0. */
  readonly weight: number;
  /** Smaller is served first. @defaultValue 0 */
  readonly priority?: number;
  /** bits per second; none when absent or infinite */
  readonly limitBps?: number;
  /** bits per second. @defaultValue 0 */
  readonly minimumBps?: number;
}

/**
 * A link that serves several queues at once, each at a rate: what packets can only approach (Parekh and Gallager, "A
 * Generalized Processor Sharing Approach to Flow Control in Integrated Services Networks", 1993).
 */
export interface FluidLink {
  /**
   * A frame of `bytes` joins a queue at `nowNs`, not earlier than what was told before. It is lost when the queue would
   * hold more than `queueBytes`.
   */
  arrived(member: number, bytes: number, nowNs: number, queueBytes?: number): void;
  /** From now on the queue is never empty. */
  wants(member: number, nowNs: number): void;
  /** What waits is withdrawn, and the queue wants nothing until it is told of again. */
  withdraw(member: number, nowNs: number): void;
  /** The queue is not served until `resume`: what waits in it stays, others share what it leaves. */
  pause(member: number, nowNs: number): void;
  resume(member: number, nowNs: number): void;
  /** The queue has another share from now on; what waits in it stays. */
  change(member: number, change: Partial<FluidShare>, nowNs: number): void;
  /** The link has another rate from now on, bits per second. */
  changeRate(linkBps: number, nowNs: number): void;
  wantsAll(member: number): boolean;
  /** Serves up to a moment, ns; nothing happens when it has passed. */
  advance(toNs: number): void;
  /** Bytes that each has been served so far. */
  served(): Float64Array;
  checkInvariants(): void;
}
