import type { ContextId } from '../branded.js';
import type { Discipline, Share } from '../discipline.js';
import { InvariantViolation, ParameterError } from '../errors.js';
import { present } from '../present.js';
import { ContextHeap } from './context-heap.js';
import { Roster } from './roster.js';
import { widened } from './widened.js';

/**
 * Earliest deadline first: C. L. Liu and J. W. Layland, "Scheduling Algorithms for Multiprogramming in a
 * Hard-Real-Time Environment", JACM 20(1), 1973; on links D. Ferrari and D. Verma, "A Scheme for Real-Time
 * Channel Establishment in Wide-Area Networks", IEEE JSAC 8(3), 1990. The deadline of a frame is
 * `Share.deadlineNs` after it has reached the head of its queue. Contexts without one are served when no other waits.
 *
 * - Complexity: O(log n) per decision.
 * - Fairness: none in bytes: the shortest deadline takes what it demands. A context that has a deadline does
 *   not starve, since its frame's deadline becomes the earliest; a context without one may starve.
 * - Delay: with D_min the shortest deadline, a head of a context of deadline D_i starts within
 *   max(D_i - D_min, 0) + (sum over all contexts of L_j + L_max) / r. Frames that reach a head later than
 *   D_i - D_min after it have later deadlines; of earlier ones there is one per context, and one in transmission.
 */
export class EarliestDeadlineFirst implements Discipline {
  readonly name: string = 'edf';
  readonly #roster = new Roster('edf');
  readonly #waiting: ContextHeap;
  /** Relative deadline of a context, ns; Infinity for none. */
  #allowance: Float64Array = new Float64Array(64);
  #deadline: Float64Array = new Float64Array(64);
  /** Order of arrival at the head, to break ties between equal deadlines. */
  #arrival: Float64Array = new Float64Array(64);
  #arrivals = 0;

  constructor() {
    this.#waiting = new ContextHeap((i, j) => {
      const left = present(this.#deadline[i]);
      const right = present(this.#deadline[j]);
      // Not a difference: Infinity - Infinity is NaN.
      if (left !== right) return left < right ? -1 : 1;
      return present(this.#arrival[i]) - present(this.#arrival[j]);
    });
  }

  join(context: ContextId, share: Share): void {
    const allowance = share.deadlineNs ?? Number.POSITIVE_INFINITY;
    if (!(allowance > 0)) {
      throw new ParameterError(`edf: deadlineNs of context ${context} is ${allowance}, expected more than 0`);
    }
    this.#roster.join(context);
    this.#allowance = widened(this.#allowance, this.#roster.capacity);
    this.#deadline = widened(this.#deadline, this.#roster.capacity);
    this.#arrival = widened(this.#arrival, this.#roster.capacity);
    this.#allowance[context] = allowance;
  }

  leave(context: ContextId): void {
    this.withdraw(context);
    this.#roster.leave(context);
  }

  activate(context: ContextId, headBytes: number, nowNs: number): void {
    if (!this.#roster.activate(context, headBytes)) return;
    this.#stamp(context, nowNs);
    this.#waiting.push(context);
  }

  select(): ContextId {
    return this.#waiting.top;
  }

  served(context: ContextId, bytes: number, nextHeadBytes: number, nowNs: number): void {
    const more = this.#roster.served(context, bytes, nextHeadBytes);
    if (more) {
      this.#stamp(context, nowNs);
      this.#waiting.changed(context);
    } else {
      this.#waiting.remove(context);
    }
  }

  withdraw(context: ContextId): void {
    if (this.#roster.withdraw(context)) this.#waiting.remove(context);
  }

  relativeFairnessBoundBytes(): number {
    return Number.POSITIVE_INFINITY;
  }

  checkInvariants(): void {
    this.#roster.checkInvariants();
    this.#waiting.checkInvariants();
    if (this.#waiting.size !== this.#roster.backlogged)
      throw new InvariantViolation('edf: heap and roster disagree');
  }

  #stamp(context: ContextId, nowNs: number): void {
    this.#arrivals += 1;
    this.#deadline[context] = nowNs + present(this.#allowance[context]);
    this.#arrival[context] = this.#arrivals;
  }
}
