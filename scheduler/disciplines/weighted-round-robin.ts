import type { ContextId } from '../branded.js';
import { type BoundMember, type Discipline, requireWeight, type Share } from '../discipline.js';
import { InvariantViolation } from '../errors.js';
import { present } from '../present.js';
import { ContextList } from './context-list.js';
import { Roster } from './roster.js';
import { widened } from './widened.js';

/**
 * Weighted round robin: `weight` frames per visit. M. Katevenis, S. Sidiropoulos and C. Courcoubetis, "Weighted
 * Round-Robin Cell Multiplexing in a General-Purpose ATM Switch Chip", IEEE JSAC 9(8), 1991, where every cell
 * has the same size; there it is fair, and on Ethernet it is not.
 *
 * - Complexity: O(1) per decision.
 * - Fairness: in frames, two backlogged contexts differ by at most one frame per unit of weight. In bytes it
 *   promises nothing unless all frames have one size L: then |S_i/w_i - S_j/w_j| <= L.
 * - Delay: a frame at the head waits for at most the visits of the others and the frame in transmission,
 *   (sum over j of w_j L_j + L_max) / r.
 */
export class WeightedRoundRobin implements Discipline {
  readonly name: string = 'wrr';
  readonly timeless = true;
  readonly #roster = new Roster('wrr');
  readonly #round = new ContextList();
  #weight: Float64Array = new Float64Array(64);
  /** Frames left in the visit of the context in front. */
  #left = 0;

  join(context: ContextId, share: Share): void {
    requireWeight(this.name, context, share.weight);
    this.#roster.join(context);
    this.#weight = widened(this.#weight, this.#roster.capacity);
    this.#weight[context] = share.weight;
  }

  leave(context: ContextId): void {
    this.withdraw(context);
    this.#roster.leave(context);
  }

  activate(context: ContextId, headBytes: number): void {
    if (!this.#roster.activate(context, headBytes)) return;
    this.#round.pushBack(context);
    if (this.#round.size === 1) this.#openVisit();
  }

  select(): ContextId {
    return this.#round.front;
  }

  served(context: ContextId, bytes: number, nextHeadBytes: number): void {
    if (context !== this.#round.front)
      throw new InvariantViolation(`wrr: context ${context} was served out of turn`);
    const more = this.#roster.served(context, bytes, nextHeadBytes);
    this.#left -= 1;
    if (more && this.#left > 0) return;
    this.#round.remove(context);
    if (more) this.#round.pushBack(context);
    this.#openVisit();
  }

  withdraw(context: ContextId): void {
    if (!this.#roster.withdraw(context)) return;
    const wasOpen = context === this.#round.front;
    this.#round.remove(context);
    if (wasOpen) this.#openVisit();
  }

  relativeFairnessBoundBytes(_i: BoundMember, _j: BoundMember): number {
    return Number.POSITIVE_INFINITY;
  }

  checkInvariants(): void {
    this.#roster.checkInvariants();
    this.#round.checkInvariants();
    if (this.#round.size !== this.#roster.backlogged)
      throw new InvariantViolation('wrr: round and roster disagree');
    if (this.#round.size === 0) return;
    const limit = present(this.#weight[this.#round.front]);
    if (!(this.#left >= 1 && this.#left <= limit)) {
      throw new InvariantViolation(`wrr: ${this.#left} frames are left of a visit of ${limit}`);
    }
  }

  #openVisit(): void {
    this.#left = this.#round.size > 0 ? present(this.#weight[this.#round.front]) : 0;
  }
}
