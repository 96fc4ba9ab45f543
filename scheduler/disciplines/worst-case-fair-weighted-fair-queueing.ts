import type { ContextId } from '../branded.js';
import type { BoundMember, Discipline, Share } from '../discipline.js';
import { InvariantViolation } from '../errors.js';
import { ContextHeap } from './context-heap.js';
import { ReservedWeight } from './reserved-weight.js';
import { Roster } from './roster.js';
import { TagTable, type TagTableOptions } from './tag-table.js';
import { DEFAULT_MAX_FRAME_BYTES, requireMaxFrame } from './weights.js';

/**
 * WF2Q+, worst-case fair weighted fair queueing: J. Bennett and H. Zhang, "Hierarchical Packet Fair Queueing
 * Algorithms", SIGCOMM 1996 / IEEE/ACM ToN 5(5), 1997. Of the frames that a fluid system would have started
 * (start <= V), the one that it would finish first is served. V advances by the bytes served over the sum of the
 * weights, and never stays behind the smallest start tag of the waiting frames.
 *
 * With W the sum of weights, r_i = r w_i / W, L_max the largest frame of all:
 *
 * - Complexity: O(log n) per decision, amortised; a frame changes heaps once.
 * - Fairness: worst-case fair index L_i + (L_max - L_i) w_i/W bytes, the smallest that a packet scheduler can
 *   have: over any interval in which i is backlogged and that ends with a frame of i, i receives at least w_i/W of
 *   the bytes, minus that index. Pairwise, |S_i/w_i - S_j/w_j| <= 2 (L_i/w_i + L_j/w_j + L_max/W), since a waiting
 *   frame starts no later than V + L_i/w_i and finishes no earlier than V - L_max/W.
 * - Delay: a frame that arrives at t as the last of Q bytes leaves by t + Q/r_i + L_i/r_i + (L_max - L_i)/r.
 *
 * Tags are exact; see TagTable for that and for overflow.
 */
export class WorstCaseFairWeightedFairQueueing implements Discipline {
  readonly name: string = 'wf2q+';
  readonly timeless = true;
  readonly #maxFrameBytes: number;
  readonly #roster = new Roster('wf2q+');
  readonly #tags: TagTable;
  readonly #weights: ReservedWeight;
  /** Waiting frames that the fluid system has started, by finish tag. */
  readonly #eligible: ContextHeap;
  /** Waiting frames that it has not started, by start tag, ties by finish tag. */
  readonly #early: ContextHeap;

  /** @param options `maxFrameBytes` (default 9018) is used in the bound only. */
  constructor(options: TagTableOptions & { readonly maxFrameBytes?: number } = {}) {
    this.#maxFrameBytes = requireMaxFrame('wf2q+', options.maxFrameBytes ?? DEFAULT_MAX_FRAME_BYTES);
    this.#tags = new TagTable(options);
    this.#weights = new ReservedWeight('wf2q+', this.#tags);
    this.#eligible = new ContextHeap((i, j) => this.#tags.compareFinishes(i, j));
    this.#early = new ContextHeap(
      (i, j) => this.#tags.compareStarts(i, j) || this.#tags.compareFinishes(i, j),
    );
  }

  join(context: ContextId, share: Share): void {
    this.#weights.require(context, share.weight);
    this.#roster.join(context);
    this.#weights.join(context, share.weight, this.#roster.capacity);
    // It had no share in the frame on the link, for which V has advanced by the old sum of weights.
    this.#tags.markClock();
  }

  leave(context: ContextId): void {
    this.withdraw(context);
    this.#roster.leave(context);
    this.#weights.leave(context);
  }

  activate(context: ContextId, headBytes: number): void {
    const resumes = this.#roster.isStarved(context);
    if (!this.#roster.activate(context, headBytes)) return;
    if (resumes) {
      // Its frames were there all along: the chain of its tags continues, even where V has passed it.
      this.#tags.follow(context, headBytes);
      this.#early.push(context);
      this.#settle();
      return;
    }
    // V as it was when the frame on the link started: V advances by a whole frame at a time here, and a newcomer
    // must not start behind work that is still to be done.
    this.#tags.beginAtMark(context, headBytes);
    this.#early.push(context);
    this.#settle();
  }

  select(): ContextId {
    // If no context is eligible, V would jump to the smallest start tag, and that frame would be served. The jump waits
    // until it is served: a frame that arrives while the link is busy with the last one must not start behind the jump.
    return this.#eligible.size > 0 ? this.#eligible.top : this.#early.top;
  }

  served(context: ContextId, bytes: number, nextHeadBytes: number): void {
    const more = this.#roster.served(context, bytes, nextHeadBytes);
    this.#charge(context, bytes);
    if (more) {
      this.#tags.follow(context, nextHeadBytes);
      this.#early.push(context);
    }
    this.#settle();
  }

  starve(context: ContextId, bytes: number): void {
    this.#roster.starve(context, bytes);
    this.#charge(context, bytes);
    this.#settle();
  }

  #charge(context: ContextId, bytes: number): void {
    if (this.#early.has(context)) this.#jump(context);
    this.#eligible.remove(context);
    this.#tags.markClock();
    this.#tags.advanceClock(bytes, this.#weights.sum);
  }

  withdraw(context: ContextId): void {
    if (!this.#roster.withdraw(context)) return;
    (this.#eligible.has(context) ? this.#eligible : this.#early).remove(context);
    this.#tags.cancel(context);
    this.#settle();
  }

  relativeFairnessBoundBytes(i: BoundMember, j: BoundMember): number {
    const largest = Math.max(this.#maxFrameBytes, i.maxFrameBytes, j.maxFrameBytes);
    // The sum of weights is at least theirs, so this holds whichever other contexts take part.
    return 2 * (i.maxFrameBytes / i.weight + j.maxFrameBytes / j.weight + largest / (i.weight + j.weight));
  }

  /** Tags of the frame at a context's head and the virtual clock, in units: for display, not for comparison. */
  tagsOf(context: ContextId): { readonly start: number; readonly finish: number; readonly clock: number } {
    const { clock } = this.#tags;
    return { start: this.#tags.start(context), finish: this.#tags.finish(context), clock };
  }

  checkInvariants(): void {
    this.#roster.checkInvariants();
    this.#eligible.checkInvariants();
    this.#early.checkInvariants();
    if (this.#eligible.size + this.#early.size !== this.#roster.backlogged) {
      throw new InvariantViolation('wf2q+: heaps and roster disagree');
    }
    if (this.#early.size > 0 && this.#tags.hasStarted(this.#early.top)) {
      throw new InvariantViolation(`wf2q+: context ${this.#early.top} is eligible but not filed as eligible`);
    }
  }

  /** No context was eligible when `context` was selected: V jumps to its start. */
  #jump(context: ContextId): void {
    this.#tags.setClockToStart(context);
    // A context that sorts before it now arrived between `select` and `served`, hence after the jump.
    while (this.#eligible.size > 0) this.#restart(this.#eligible);
    while (this.#tags.hasStartedBefore(this.#early.top)) this.#restart(this.#early);
    this.#settle();
  }

  #restart(from: ContextHeap): void {
    const context = from.top;
    from.remove(context);
    this.#tags.cancel(context);
    // Rounded up, or it would lie before V again.
    this.#tags.begin(context, this.#roster.headBytes(context));
    this.#early.push(context);
  }

  /** Frames that V has reached become eligible. */
  #settle(): void {
    while (this.#early.size > 0 && this.#tags.hasStarted(this.#early.top)) {
      const context = this.#early.top;
      this.#early.remove(context);
      this.#eligible.push(context);
    }
    this.#weights.expire();
  }
}
