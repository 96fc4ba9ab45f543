import type { ContextId } from '../branded.js';
import { type BoundMember, type Discipline, NONE, type Share } from '../discipline.js';
import { InvariantViolation } from '../errors.js';
import { ContextHeap } from './context-heap.js';
import { Roster } from './roster.js';
import { TagTable, type TagTableOptions } from './tag-table.js';
import { requireTagWeight } from './weights.js';

/**
 * Self-clocked fair queueing: S. J. Golestani, "A Self-Clocked Fair Queueing Scheme for Broadband
 * Applications", INFOCOM 1994. The frame with the smallest finish tag is served, and V is the finish tag of the
 * frame in service: the queue is its own clock, and no reference system has to be followed.
 *
 * - Complexity: O(log n) per decision.
 * - Fairness: while both are backlogged, |S_i/w_i - S_j/w_j| <= L_i/w_i + L_j/w_j.
 * - Delay: a latency-rate server with latency L_i/r_i + (N-1) L_max/r (D. Stiliadis and A. Varma,
 *   "Latency-Rate Servers", IEEE/ACM ToN 6(5), 1998): it grows with the number of contexts.
 *
 * V is a finish tag, so a newcomer's tag is rounded down from it (less than 1/256 of a byte) and the bound
 * holds as it stands. Tags are exact otherwise; see TagTable for that and for overflow.
 */
export class SelfClockedFairQueueing implements Discipline {
  readonly name: string = 'scfq';
  readonly timeless = true;
  readonly #roster = new Roster('scfq');
  readonly #tags: TagTable;
  readonly #waiting: ContextHeap;
  /** Sum of the weights of those that take part. */
  #weights = 0;

  constructor(options: TagTableOptions = {}) {
    this.#tags = new TagTable(options);
    this.#waiting = new ContextHeap((i, j) => this.#tags.compareFinishes(i, j));
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

  activate(context: ContextId, headBytes: number): void {
    if (!this.#roster.activate(context, headBytes)) return;
    this.#tags.beginBelow(context, headBytes);
    this.#waiting.push(context);
  }

  select(): ContextId {
    return this.#waiting.top;
  }

  served(context: ContextId, bytes: number, nextHeadBytes: number): void {
    const more = this.#roster.served(context, bytes, nextHeadBytes);
    this.#tags.setClockToFinish(context);
    if (more) {
      this.#tags.follow(context, nextHeadBytes);
      this.#waiting.changed(context);
    } else {
      this.#waiting.remove(context);
    }
    this.#restartEarlier();
  }

  withdraw(context: ContextId): void {
    if (!this.#roster.withdraw(context)) return;
    this.#tags.cancel(context);
    this.#waiting.remove(context);
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
      throw new InvariantViolation('scfq: heap and roster disagree');
    const next = this.#waiting.top;
    if (next >= 0 && this.#tags.finish(next) < this.#tags.clock) {
      throw new InvariantViolation(
        `scfq: context ${next} finishes at ${this.#tags.finish(next)}, before V = ${this.#tags.clock}`,
      );
    }
  }

  /** A context that became backlogged between `select` and `served` has arrived during the service. */
  #restartEarlier(): void {
    let next = this.#waiting.top;
    while (next !== NONE && this.#tags.hasFinishedBefore(next)) {
      this.#tags.cancel(next);
      this.#tags.beginBelow(next, this.#roster.headBytes(next));
      this.#waiting.changed(next);
      next = this.#waiting.top;
    }
  }
}
