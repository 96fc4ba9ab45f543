import { type ContextId, contextAfter, FIRST_CONTEXT } from '../branded.js';
import type { BoundMember, Discipline, Share } from '../discipline.js';
import { InvariantViolation, ParameterError } from '../errors.js';
import { present } from '../present.js';
import { ContextHeap } from './context-heap.js';
import { RateClock } from './rate-clock.js';
import { Roster } from './roster.js';
import { DEFAULT_MAX_FRAME_BYTES } from './weights.js';
import { widened } from './widened.js';

/** Largest bucket, bytes. */
export const MOST_BURST_BYTES = 2 ** 20;

/**
 * A token bucket per context in front of any discipline: J. Turner, "New Directions in Communications", IEEE
 * Communications Magazine 24(10), 1986. A context with too few tokens for the frame at its head is
 * withheld from the inner discipline until it has enough, as if it were idle.
 *
 * `Share.limitBps` is the rate and `Share.burstBytes` the bucket (default 9042); a context without a limit
 * passes through. A frame larger than the bucket is sent once the bucket has been full for the time that the missing
 * bytes take, so that a small bucket slows a context down but does not block it.
 *
 * - Complexity: O(log n) for a context that is withheld, otherwise that of the inner discipline.
 * - Conformance: over any interval of t ns a context receives at most burstBytes + limitBps * t / 8e9 bytes (the
 *   larger of burstBytes and its largest frame, if that is larger). Exact: see RateClock.
 * - Fairness and delay: those of the inner discipline, over intervals in which no context is withheld;
 *   overall none, since it is not work conserving. `nextEligibleNs` says when to ask again.
 */
export class TokenBucketLimit implements Discipline {
  readonly name: string;
  readonly pause?: (context: ContextId, nowNs: number) => void;
  readonly linkRateChanged?: (linkBps: number, nowNs: number) => void;
  readonly #inner: Discipline;
  readonly #roster: Roster;
  readonly #rate = new RateClock();
  /** Waiting contexts that are withheld from the inner discipline, by the time at which their bucket suffices. */
  readonly #withheld: ContextHeap;
  #burst: Float64Array = new Float64Array(64);
  #anyLimit = false;
  #eligible: Float64Array = new Float64Array(64);

  constructor(inner: Discipline) {
    this.name = `limited:${inner.name}`;
    this.#inner = inner;
    if (inner.pause !== undefined) this.pause = (context, nowNs) => this.#pause(context, nowNs);
    if (inner.linkRateChanged !== undefined)
      this.linkRateChanged = (linkBps, nowNs) => inner.linkRateChanged?.(linkBps, nowNs);
    this.#roster = new Roster(this.name);
    this.#withheld = new ContextHeap((i, j) => present(this.#eligible[i]) - present(this.#eligible[j]));
  }

  join(context: ContextId, share: Share): void {
    const burst = share.burstBytes ?? DEFAULT_MAX_FRAME_BYTES;
    if (!Number.isInteger(burst) || burst < 0 || burst > MOST_BURST_BYTES) {
      throw new ParameterError(
        `${this.name}: burstBytes of context ${context} is ${burst}, expected a whole number from 0 to ${MOST_BURST_BYTES}`,
      );
    }
    this.#roster.join(context);
    this.#burst = widened(this.#burst, this.#roster.capacity);
    this.#eligible = widened(this.#eligible, this.#roster.capacity);
    this.#rate.setRate(`${this.name}: limitBps`, context, share.limitBps, this.#roster.capacity);
    this.#burst[context] = burst;
    if (share.limitBps !== undefined) this.#anyLimit = true;
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
    if (this.#mayGo(context, headBytes, nowNs)) {
      this.#inner.activate(context, headBytes, nowNs);
      return;
    }
    if (wasPaused) this.#inner.withdraw(context, nowNs);
    this.#withheld.push(context);
  }

  select(nowNs: number): ContextId {
    this.#release(nowNs);
    return this.#inner.select(nowNs);
  }

  served(context: ContextId, bytes: number, nextHeadBytes: number, nowNs: number): void {
    const more = this.#roster.served(context, bytes, nextHeadBytes);
    if (this.#rate.hasRate(context)) {
      this.#rate.notBefore(context, nowNs);
      this.#rate.spend(context, bytes);
    }
    const passes = more && this.#mayGo(context, nextHeadBytes, nowNs);
    this.#inner.served(context, bytes, passes ? nextHeadBytes : 0, nowNs);
    if (more && !passes) this.#withheld.push(context);
  }

  withdraw(context: ContextId, nowNs: number): void {
    this.#release(nowNs);
    const wasPaused = this.#roster.isStarved(context);
    if (!this.#roster.withdraw(context) && !wasPaused) return;
    if (this.#withheld.has(context)) this.#withheld.remove(context);
    else this.#inner.withdraw(context, nowNs);
  }

  nextEligibleNs(nowNs: number): number {
    const own =
      this.#withheld.size > 0 ? present(this.#eligible[this.#withheld.top]) : Number.POSITIVE_INFINITY;
    return Math.min(own, this.#inner.nextEligibleNs?.(nowNs) ?? Number.POSITIVE_INFINITY);
  }

  /** A withheld context is backlogged and not served, so with any limit no overall bound is promised. */
  relativeFairnessBoundBytes(i: BoundMember, j: BoundMember): number {
    return this.#anyLimit ? Number.POSITIVE_INFINITY : this.#inner.relativeFairnessBoundBytes(i, j);
  }

  checkInvariants(): void {
    this.#roster.checkInvariants();
    this.#withheld.checkInvariants();
    this.#inner.checkInvariants();
    for (let context = FIRST_CONTEXT; context < this.#roster.capacity; context = contextAfter(context)) {
      if (this.#withheld.has(context) && !this.#roster.isBacklogged(context)) {
        throw new InvariantViolation(`${this.name}: context ${context} is withheld and does not wait`);
      }
    }
  }

  /** A withheld context is idle inside, and from now on here; of the others the inner discipline keeps what they had saved. */
  #pause(context: ContextId, nowNs: number): void {
    this.#release(nowNs);
    if (this.#withheld.has(context)) {
      this.#withheld.remove(context);
      this.#roster.withdraw(context);
    } else if (this.#roster.isBacklogged(context)) {
      this.#roster.pause(context);
      this.#inner.pause?.(context, nowNs);
    }
  }

  /** Whether the bucket covers the head; if not, notes the time at which it will. */
  #mayGo(context: ContextId, headBytes: number, nowNs: number): boolean {
    if (!this.#rate.hasRate(context)) return true;
    const eligible = this.#rate.afterNs(context, headBytes - present(this.#burst[context]));
    this.#eligible[context] = eligible;
    return eligible <= nowNs;
  }

  /** Releases every context that may be served by now, each at its own instant, so that the time of the call does not matter. */
  #release(nowNs: number): void {
    while (this.#withheld.size > 0) {
      const context = this.#withheld.top;
      const eligible = present(this.#eligible[context]);
      if (eligible > nowNs) return;
      this.#withheld.remove(context);
      this.#inner.activate(context, this.#roster.headBytes(context), eligible);
    }
  }
}
