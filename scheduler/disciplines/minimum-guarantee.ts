import { type ContextId, contextAfter, FIRST_CONTEXT } from '../branded.js';
import type { BoundMember, Discipline, Share } from '../discipline.js';
import { InvariantViolation } from '../errors.js';
import { present } from '../present.js';
import { ContextHeap } from './context-heap.js';
import { RateClock } from './rate-clock.js';
import { Roster } from './roster.js';
import { widened } from './widened.js';

/**
 * A minimum rate per context in front of any discipline: `Share.minimumBps` is served before weights count, and
 * the inner discipline shares the rest of the link. A context is due when it has received less than its
 * minimum; those due are served by earliest deadline, a frame's deadline being the time by which the minimum rate of its
 * context would have carried it. That is VirtualClock with frames held until their start time (L. Zhang,
 * "VirtualClock: A New Traffic Control Algorithm for Packet Switching Networks", SIGCOMM 1990).
 *
 * - Complexity: O(log n) for contexts that have a minimum, otherwise that of the inner discipline.
 * - Guarantee: if the minimums together fit on a link of r bits per second, a context backlogged for t ns has received
 *   at least minimumBps * (t - L_max * 8e9 / r) / 8e9 - 2 L_i bytes. Idle time is not saved up.
 * - Fairness: that of the inner discipline, for contexts without a minimum, over intervals in which none is
 *   due. Bytes beyond the minimum are shared by weight; a context that becomes due loses its position there.
 */
export class MinimumGuarantee implements Discipline {
  readonly name: string;
  readonly pause?: (context: ContextId, nowNs: number) => void;
  readonly linkRateChanged?: (linkBps: number, nowNs: number) => void;
  readonly #inner: Discipline;
  readonly #roster: Roster;
  readonly #rate = new RateClock();
  /** Waiting contexts that have received less than their minimum, by deadline. The inner discipline is not told of them. */
  readonly #due: ContextHeap;
  /** Waiting contexts inside that have a minimum, by the time at which they become due. */
  readonly #content: ContextHeap;
  #dueAt: Float64Array = new Float64Array(64);
  #deadline: Float64Array = new Float64Array(64);

  constructor(inner: Discipline) {
    this.name = `minimum:${inner.name}`;
    this.#inner = inner;
    if (inner.pause !== undefined) this.pause = (context, nowNs) => this.#pause(context, nowNs);
    if (inner.linkRateChanged !== undefined)
      this.linkRateChanged = (linkBps, nowNs) => inner.linkRateChanged?.(linkBps, nowNs);
    this.#roster = new Roster(this.name);
    this.#due = new ContextHeap((i, j) => present(this.#deadline[i]) - present(this.#deadline[j]));
    this.#content = new ContextHeap((i, j) => present(this.#dueAt[i]) - present(this.#dueAt[j]));
  }

  join(context: ContextId, share: Share): void {
    this.#roster.join(context);
    this.#dueAt = widened(this.#dueAt, this.#roster.capacity);
    this.#deadline = widened(this.#deadline, this.#roster.capacity);
    this.#rate.setRate(`${this.name}: minimumBps`, context, share.minimumBps, this.#roster.capacity);
    this.#inner.join(context, share);
  }

  leave(context: ContextId, nowNs: number): void {
    this.withdraw(context, nowNs);
    this.#roster.leave(context);
    this.#inner.leave(context, nowNs);
  }

  activate(context: ContextId, headBytes: number, nowNs: number): void {
    this.#release(nowNs);
    const wasPaused = this.#roster.isStarved(context);
    if (!this.#roster.activate(context, headBytes)) return;
    this.#rate.settle(context, nowNs);
    this.#rate.notBefore(context, nowNs);
    this.#place(context, headBytes, nowNs);
    if (wasPaused && this.#due.has(context)) this.#inner.withdraw(context, nowNs);
  }

  select(nowNs: number): ContextId {
    this.#release(nowNs);
    return this.#due.size > 0 ? this.#due.top : this.#inner.select(nowNs);
  }

  served(context: ContextId, bytes: number, nextHeadBytes: number, nowNs: number): void {
    const more = this.#roster.served(context, bytes, nextHeadBytes);
    if (this.#due.has(context)) {
      this.#rate.spend(context, bytes);
      this.#due.remove(context);
      if (more) this.#place(context, nextHeadBytes, nowNs);
    } else if (!this.#rate.hasRate(context)) {
      this.#inner.served(context, bytes, nextHeadBytes, nowNs);
    } else {
      // Served by weight: it covers the minimum from now on for the time that the frame takes at that rate, not longer,
      // or a context that found the link idle for an hour would go without its minimum for the next.
      this.#content.remove(context);
      this.#rate.notBefore(context, nowNs + this.#rate.durationNs(context, bytes));
      this.#inner.served(context, bytes, nextHeadBytes, nowNs);
      if (more) this.#watch(context);
    }
  }

  withdraw(context: ContextId, nowNs: number): void {
    this.#release(nowNs);
    const wasPaused = this.#roster.isStarved(context);
    if (!this.#roster.withdraw(context) && !wasPaused) return;
    if (this.#due.has(context)) {
      this.#due.remove(context);
      return;
    }
    if (this.#content.has(context)) this.#content.remove(context);
    this.#inner.withdraw(context, nowNs);
  }

  nextEligibleNs(nowNs: number): number {
    const own = this.#content.size > 0 ? present(this.#dueAt[this.#content.top]) : Number.POSITIVE_INFINITY;
    return Math.min(own, this.#inner.nextEligibleNs?.(nowNs) ?? Number.POSITIVE_INFINITY);
  }

  /** Holds between contexts without a minimum while none is due, so no overall bound is promised. */
  relativeFairnessBoundBytes(_i: BoundMember, _j: BoundMember): number {
    return Number.POSITIVE_INFINITY;
  }

  checkInvariants(): void {
    this.#roster.checkInvariants();
    this.#due.checkInvariants();
    this.#content.checkInvariants();
    this.#inner.checkInvariants();
    for (let context = FIRST_CONTEXT; context < this.#roster.capacity; context = contextAfter(context)) {
      const filed = (this.#due.has(context) ? 1 : 0) + (this.#content.has(context) ? 1 : 0);
      const expected = this.#roster.isBacklogged(context) && this.#rate.hasRate(context) ? 1 : 0;
      if (filed !== expected)
        throw new InvariantViolation(
          `${this.name}: context ${context} is filed ${filed} times, expected ${expected}`,
        );
    }
  }

  /** A context that is due is idle inside, and from now on here; of the others the inner discipline keeps what they had saved. */
  #pause(context: ContextId, nowNs: number): void {
    this.#release(nowNs);
    if (this.#due.has(context)) {
      this.#due.remove(context);
      this.#roster.withdraw(context);
    } else if (this.#roster.isBacklogged(context)) {
      if (this.#content.has(context)) this.#content.remove(context);
      this.#roster.pause(context);
      this.#inner.pause?.(context, nowNs);
    }
  }

  /** Files a waiting context that is not in the inner discipline. */
  #place(context: ContextId, headBytes: number, nowNs: number): void {
    if (this.#rate.hasRate(context) && this.#rate.afterNs(context, 0) <= nowNs) {
      this.#deadline[context] = this.#rate.afterNs(context, headBytes);
      this.#due.push(context);
      return;
    }
    this.#inner.activate(context, headBytes, nowNs);
    if (this.#rate.hasRate(context)) this.#watch(context);
  }

  #watch(context: ContextId): void {
    this.#dueAt[context] = this.#rate.afterNs(context, 0);
    this.#content.push(context);
  }

  /** Every context that has become due by now leaves the inner discipline, each at its own instant. */
  #release(nowNs: number): void {
    while (this.#content.size > 0) {
      const context = this.#content.top;
      const dueAt = present(this.#dueAt[context]);
      if (dueAt > nowNs) return;
      this.#content.remove(context);
      this.#inner.withdraw(context, dueAt);
      this.#deadline[context] = this.#rate.afterNs(context, this.#roster.headBytes(context));
      this.#due.push(context);
    }
  }
}
