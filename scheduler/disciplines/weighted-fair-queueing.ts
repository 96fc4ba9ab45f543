import { type ContextId, contextAfter, FIRST_CONTEXT } from '../branded.js';
import type { BoundMember, Discipline, Share } from '../discipline.js';
import { InvariantViolation, ParameterError } from '../errors.js';
import { ContextHeap } from './context-heap.js';
import { FluidClock } from './fluid-clock.js';
import { FrameStamps } from './frame-stamps.js';
import { Roster } from './roster.js';
import { TagTable } from './tag-table.js';
import { DEFAULT_MAX_FRAME_BYTES, requireMaxFrame, requireTagWeight } from './weights.js';

/** Options of a WeightedFairQueueing. */
export interface WeightedFairQueueingOptions {
  /** Rate of the fluid system, bits per second of counted bytes: the rate of the link. */
  readonly linkBps: number;
  /** Largest frame; used in the bound only. @defaultValue 9042 */
  readonly maxFrameBytes?: number;
  /** The link does not always carry `linkBps` of counted bytes; then no bound is promised. @defaultValue false */
  readonly linkVaries?: boolean;
}

/** A clock beyond this many units restarts at 0 as soon as all contexts are idle. */
const RESTART_ABOVE_UNITS = 2 ** 40;

/**
 * Weighted fair queueing, packet by packet generalised processor sharing: A. Demers, S. Keshav and S. Shenker,
 * "Analysis and Simulation of a Fair Queueing Algorithm", SIGCOMM 1989; A. Parekh and R. Gallager, IEEE/ACM ToN
 * 1(3), 1993. The frame that the fluid system would finish first is served, started or not.
 *
 * - Complexity: O(log n) per frame, amortised: an arrival may end the service of others in the fluid system.
 * - Fairness: with C_i = min((N-1) L_max/w_i, L_max / smallest weight), while both are backlogged
 *   |S_i/w_i - S_j/w_j| <= max(C_j + L_max/w_i + L_j/w_j, C_i + L_max/w_j + L_i/w_i) (D. Stiliadis and A. Varma,
 *   "Latency-Rate Servers", IEEE/ACM ToN 6(5), 1998). It may run far ahead of the fluid system: 10 frames of a context of
 *   weight 10 precede all of ten others of weight 1, the problem that WF2Q was designed to solve.
 * - Delay: a frame leaves no later than L_max / r after the fluid system has finished it (Parekh and
 *   Gallager), hence a latency of L_i/r_i + L_max/r.
 *
 * It has to be told of every frame as it arrives (`arrived`), and of a link that gets another rate (`linkRateChanged`). If a
 * caller reports only heads of line, frames arrive when they reach the head, which is fair but no longer bounded by the
 * fluid system.
 *
 * Tags are exact (see TagTable), the clock is accurate to 2^-52 units (see FluidClock). Both restart at 0 when
 * all contexts are idle; a busy period of more than 2^44 bytes per unit of weight throws.
 */
export class WeightedFairQueueing implements Discipline {
  readonly name: string = 'wfq';
  readonly #maxFrameBytes: number;
  readonly #roster = new Roster('wfq');
  readonly #linkVaries: boolean;
  /** Tags of the frame that arrived last, and V. */
  readonly #arrivals = new TagTable();
  /** Tags of the frame at the head. */
  readonly #heads = new TagTable();
  readonly #stamps = new FrameStamps();
  readonly #fluid: FluidClock;
  readonly #waiting: ContextHeap;
  #weights = 0;
  #mostMembers = 0;
  #smallestWeight = Number.POSITIVE_INFINITY;

  constructor({
    linkBps,
    maxFrameBytes = DEFAULT_MAX_FRAME_BYTES,
    linkVaries = false,
  }: WeightedFairQueueingOptions) {
    this.#linkVaries = linkVaries;
    requireRate(linkBps);
    this.#maxFrameBytes = requireMaxFrame('wfq', maxFrameBytes);
    this.#fluid = new FluidClock(this.#arrivals, linkBps);
    this.#waiting = new ContextHeap((i, j) => this.#heads.compareFinishes(i, j));
  }

  join(context: ContextId, share: Share): void {
    requireTagWeight(this.name, context, share.weight, this.#weights);
    this.#roster.join(context);
    this.#fluid.forget(context);
    this.#arrivals.setWeight(context, share.weight, this.#roster.capacity);
    this.#heads.setWeight(context, share.weight, this.#roster.capacity);
    this.#stamps.grow(this.#roster.capacity);
    this.#fluid.changed(context);
    this.#weights += share.weight;
    this.#mostMembers = Math.max(this.#mostMembers, this.#roster.members);
    this.#smallestWeight = Math.min(this.#smallestWeight, share.weight);
  }

  leave(context: ContextId, nowNs: number): void {
    this.withdraw(context, nowNs);
    this.#roster.leave(context);
    // Its remaining work in the fluid system stays there until the clock has passed it.
    this.#weights -= this.#arrivals.weight(context);
  }

  arrived(context: ContextId, bytes: number, nowNs: number): void {
    this.#fluid.run(nowNs);
    if (this.#arrivals.clockWhole > RESTART_ABOVE_UNITS) this.#restartIfIdle();
    this.#arrivals.begin(context, bytes);
    if (this.#arrivals.finishWhole(context) > 2 ** 52)
      throw new RangeError('wfq: virtual time has overflowed');
    this.#stamps.push(context, this.#arrivals.startWhole(context), this.#arrivals.startPart(context));
    this.#fluid.changed(context);
  }

  activate(context: ContextId, headBytes: number, nowNs: number): void {
    if (!this.#roster.activate(context, headBytes)) return;
    this.#placeHead(context, headBytes, nowNs);
    this.#waiting.push(context);
  }

  select(): ContextId {
    return this.#waiting.top;
  }

  served(context: ContextId, bytes: number, nextHeadBytes: number, nowNs: number): void {
    const more = this.#roster.served(context, bytes, nextHeadBytes);
    this.#stamps.shift(context);
    if (more) {
      this.#placeHead(context, nextHeadBytes, nowNs);
      this.#waiting.changed(context);
    } else {
      this.#waiting.remove(context);
    }
  }

  withdraw(context: ContextId, nowNs: number): void {
    this.#fluid.run(nowNs);
    this.#drop(context);
  }

  linkRateChanged(linkBps: number, nowNs: number): void {
    requireRate(linkBps);
    this.#fluid.changeRate(linkBps, nowNs);
  }

  relativeFairnessBoundBytes(i: BoundMember, j: BoundMember): number {
    if (this.#linkVaries) return Number.POSITIVE_INFINITY;
    const largest = Math.max(this.#maxFrameBytes, i.maxFrameBytes, j.maxFrameBytes);
    const members = Math.max(2, this.#mostMembers);
    const ahead = (account: BoundMember) =>
      Math.min(
        ((members - 1) * largest) / account.weight,
        largest / Math.min(this.#smallestWeight, i.weight, j.weight),
      );
    return Math.max(
      ahead(j) + largest / i.weight + j.maxFrameBytes / j.weight,
      ahead(i) + largest / j.weight + i.maxFrameBytes / i.weight,
    );
  }

  checkInvariants(): void {
    this.#roster.checkInvariants();
    this.#waiting.checkInvariants();
    this.#fluid.checkInvariants();
    if (this.#waiting.size !== this.#roster.backlogged)
      throw new InvariantViolation('wfq: heap and roster disagree');
    for (let context = FIRST_CONTEXT; context < this.#roster.capacity; context = contextAfter(context)) {
      if (this.#roster.isBacklogged(context) && this.#stamps.isEmpty(context)) {
        throw new InvariantViolation(`wfq: context ${context} waits without a stamp`);
      }
    }
  }

  #placeHead(context: ContextId, bytes: number, nowNs: number): void {
    if (this.#stamps.isEmpty(context)) this.arrived(context, bytes, nowNs);
    this.#heads.place(context, this.#stamps.whole(context), this.#stamps.part(context), bytes);
  }

  #drop(context: ContextId): void {
    if (!this.#roster.withdraw(context)) return;
    this.#waiting.remove(context);
    // Unserved frames are not charged: the chain of tags ends where the head would have started.
    this.#arrivals.cancelTo(context, this.#stamps.whole(context), this.#stamps.part(context));
    this.#stamps.clear(context);
    this.#fluid.changed(context);
  }

  #restartIfIdle(): void {
    if (this.#roster.backlogged > 0 || this.#fluid.backlogged > 0) return;
    this.#fluid.restart();
  }
}

function requireRate(linkBps: number): void {
  if (linkBps >= 1 && linkBps <= 1e13) return;
  throw new ParameterError(`wfq: linkBps is ${linkBps}, expected bits per second from 1 to 10^13`);
}
