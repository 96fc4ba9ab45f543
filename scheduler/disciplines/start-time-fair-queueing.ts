import type { ContextId } from '../branded.js';
import type { BoundMember, Discipline, Share } from '../discipline.js';
import { InvariantViolation } from '../errors.js';
import { SerialLine } from '../serial-line.js';
import { ContextHeap } from './context-heap.js';
import { Roster } from './roster.js';
import { TagTable, type TagTableOptions } from './tag-table.js';
import { requireTagWeight } from './weights.js';

/** Options of a StartTimeFairQueueing. */
export interface StartTimeFairQueueingOptions extends TagTableOptions {
  /** Rate of the link, bits per second of counted bytes. Without it the link counts as idle once the last frame is granted. */
  readonly linkBps?: number;
}

/**
 * Start-time fair queueing: P. Goyal, H. Vin and H. Cheng, "Start-Time Fair Queueing: A Scheduling Algorithm
 * for Integrated Services Packet Switching Networks", SIGCOMM 1996. The frame with the smallest start tag
 * is served; V is the start tag of the frame in service, and the largest finish tag once the link is idle.
 *
 * - Complexity: O(log n) per decision.
 * - Fairness: while both are backlogged, |S_i/w_i - S_j/w_j| <= L_i/w_i + L_j/w_j, however the rate of the
 *   link varies meanwhile. No packet scheduler can promise less than half of that.
 * - Delay: a frame of l bytes leaves by its expected arrival time + (sum over others of L_n + l) / C, if the
 *   weights are rates that C can carry. Needs `linkBps`, by which it knows when the link is idle;
 *   without it a frame that comes while the last one is on the link may wait for one more frame of each other context.
 *
 * Tags are exact; see TagTable for that and for overflow.
 */
export class StartTimeFairQueueing implements Discipline {
  readonly name: string = 'sfq';
  readonly #roster = new Roster('sfq');
  readonly #tags: TagTable;
  readonly #waiting: ContextHeap;
  /** Sum of the weights of those that take part. */
  #weights = 0;
  /** The granted frames on a line of the link's rate, to know when it is idle. */
  readonly #line: SerialLine | undefined;

  constructor(options: StartTimeFairQueueingOptions = {}) {
    this.#line = options.linkBps === undefined ? undefined : new SerialLine(options.linkBps);
    this.#tags = new TagTable(options);
    this.#waiting = new ContextHeap((i, j) => this.#tags.compareStarts(i, j));
  }

  join(context: ContextId, share: Share): void {
    requireTagWeight(this.name, context, share.weight, this.#weights);
    this.#roster.join(context);
    this.#tags.setWeight(context, share.weight, this.#roster.capacity);
    this.#weights += share.weight;
  }

  leave(context: ContextId): void {
    this.withdraw(context);
    this.#roster.leave(context);
    this.#weights -= this.#tags.weight(context);
  }

  activate(context: ContextId, headBytes: number, nowNs: number): void {
    if (!this.#roster.activate(context, headBytes)) return;
    // No context waits and the link is idle: the busy period has ended, and V becomes the largest finish tag.
    if (this.#waiting.size === 0 && nowNs >= (this.#line?.freeAtNs ?? 0))
      this.#tags.advanceClockToRemembered();
    this.#tags.begin(context, headBytes);
    this.#waiting.push(context);
  }

  select(): ContextId {
    return this.#waiting.top;
  }

  served(context: ContextId, bytes: number, nextHeadBytes: number, nowNs: number): void {
    const more = this.#roster.served(context, bytes, nextHeadBytes);
    this.#line?.carry(bytes, nowNs);
    this.#tags.setClockToStart(context);
    this.#restartEarlier();
    this.#tags.rememberFinish(context);
    if (more) {
      this.#tags.follow(context, nextHeadBytes);
      this.#waiting.changed(context);
      return;
    }
    this.#waiting.remove(context);
  }

  withdraw(context: ContextId): void {
    if (!this.#roster.withdraw(context)) return;
    this.#tags.cancel(context);
    this.#waiting.remove(context);
  }

  linkRateChanged(linkBps: number, nowNs: number): void {
    this.#line?.changeRate(linkBps, nowNs);
  }

  relativeFairnessBoundBytes(i: BoundMember, j: BoundMember): number {
    return i.maxFrameBytes / i.weight + j.maxFrameBytes / j.weight;
  }

  /** Tags of the frame at a context's head and the virtual clock, in units: for display, not for comparison. */
  tagsOf(context: ContextId): { readonly start: number; readonly finish: number; readonly clock: number } {
    const { clock } = this.#tags;
    return { start: this.#tags.start(context), finish: this.#tags.finish(context), clock };
  }

  checkInvariants(): void {
    this.#roster.checkInvariants();
    this.#waiting.checkInvariants();
    if (this.#waiting.size !== this.#roster.backlogged)
      throw new InvariantViolation('sfq: heap and roster disagree');
    const next = this.#waiting.top;
    // V never overtakes a waiting frame: the next context starts at V or later.
    if (next >= 0 && this.#tags.start(next) < this.#tags.clock) {
      throw new InvariantViolation(
        `sfq: context ${next} starts at ${this.#tags.start(next)}, before V = ${this.#tags.clock}`,
      );
    }
  }

  /** A context that became backlogged between `select` and `served` has arrived during the service. */
  #restartEarlier(): void {
    // The context in service is still in the heap, at V, so this ends there.
    for (let next = this.#waiting.top; this.#tags.hasStartedBefore(next); next = this.#waiting.top) {
      this.#tags.cancel(next);
      this.#tags.begin(next, this.#roster.headBytes(next));
      this.#waiting.changed(next);
    }
  }
}
