import { type BoundMember, type Discipline, NONE, requireWeight, type Share } from '../discipline.js';
import { InvariantViolation } from '../errors.js';
import { ContextList } from './context-list.js';
import { DEFAULT_QUANTUM_BYTES, requireQuantum } from './deficit-round-robin.js';
import { Roster } from './roster.js';
import { widened } from './widened.js';

/**
 * Surplus round robin, deficit round robin with the debt carried instead of the savings: H. Adiseshu,
 * G. Parulkar and G. Varghese, "A Reliable and Scalable Striping Protocol", SIGCOMM 1996. A visit lasts while
 * the context has credit left; the frame that exhausts it goes whole, and what it took too much is missing
 * from the next visit. It is the rule of FQ-CoDel's queues (RFC 8290, section 4.2). A card can use it before
 * it has fetched the descriptor: the length of a frame is needed after the choice, not for it.
 *
 * With Q_i = weight_i * quantumBytes and L_i the largest frame of i:
 *
 * - Complexity: O(1) a decision when quantumBytes >= the largest frame; a debt is always paid by one visit then.
 * - Fairness: after a visit the debt is at most L_i - 1 bytes, so while both are backlogged
 *   |S_i/w_i - S_j/w_j| <= quantumBytes + (L_i - 1)/w_i + (L_j - 1)/w_j, the value of deficit round robin.
 * - Delay: before the k-th visit of i, every other j has sent at most k Q_j + L_j - 1 bytes, as under deficit
 *   round robin; a frame never waits for more visits because it is long, since the visit does not look at it.
 */
export class SurplusRoundRobin implements Discipline {
  readonly name: string = 'srr';
  readonly quantumBytes: number;
  readonly #roster = new Roster('srr');
  /** Backlogged contexts in the order of their visits; the first one's visit is open. */
  readonly #round = new ContextList();
  #quantum: Float64Array = new Float64Array(64);
  /** Above 0 during a visit, 0 or below outside. */
  #credit: Float64Array = new Float64Array(64);

  constructor({ quantumBytes = DEFAULT_QUANTUM_BYTES }: { quantumBytes?: number } = {}) {
    this.quantumBytes = requireQuantum('srr', quantumBytes);
  }

  join(context: number, share: Share): void {
    requireWeight(this.name, context, share.weight);
    this.#roster.join(context);
    this.#quantum = widened(this.#quantum, this.#roster.capacity);
    this.#credit = widened(this.#credit, this.#roster.capacity);
    this.#quantum[context] = share.weight * this.quantumBytes;
  }

  leave(context: number): void {
    this.withdraw(context);
    this.#roster.leave(context);
  }

  activate(context: number, headBytes: number): void {
    if (!this.#roster.activate(context, headBytes)) return;
    this.#round.pushBack(context);
    if (this.#round.size === 1) this.#openVisit();
  }

  select(): number {
    return this.#round.front;
  }

  served(context: number, bytes: number, nextHeadBytes: number): void {
    if (context !== this.#round.front)
      throw new InvariantViolation(`srr: context ${context} was served out of its turn`);
    const more = this.#roster.served(context, bytes, nextHeadBytes);
    const credit = (this.#credit[context] ?? 0) - bytes;
    // Running empty forfeits a credit. A debt stays, or going idle after each long frame would pay it off.
    this.#credit[context] = more ? credit : Math.min(0, credit);
    if (more && credit > 0) return;
    this.#round.remove(context);
    if (more) this.#round.pushBack(context);
    this.#openVisit();
  }

  withdraw(context: number): void {
    if (!this.#roster.withdraw(context)) return;
    const wasOpen = context === this.#round.front;
    this.#credit[context] = Math.min(0, this.creditBytes(context));
    this.#round.remove(context);
    if (wasOpen) this.#openVisit();
  }

  /** Bytes that the context may still send in its visit, or what it took too much in the last one (negative). */
  creditBytes(context: number): number {
    return this.#credit[context] ?? 0;
  }

  relativeFairnessBoundBytes(i: BoundMember, j: BoundMember): number {
    return this.quantumBytes + (i.maxFrameBytes - 1) / i.weight + (j.maxFrameBytes - 1) / j.weight;
  }

  checkInvariants(): void {
    this.#roster.checkInvariants();
    this.#round.checkInvariants();
    if (this.#round.size !== this.#roster.backlogged)
      throw new InvariantViolation('srr: round and roster differ');
    for (let context = 0; context < this.#roster.capacity; context += 1) {
      const credit = this.creditBytes(context);
      if (context === this.#round.front ? credit <= 0 : credit > 0) {
        throw new InvariantViolation(
          `srr: context ${context} has a credit of ${credit} bytes ${context === this.#round.front ? 'on' : 'off'} turn`,
        );
      }
    }
  }

  /** Pays the first context its quantum, and goes on to the next as long as that only pays a debt. */
  #openVisit(): void {
    for (;;) {
      const context = this.#round.front;
      if (context === NONE) return;
      const credit = this.creditBytes(context) + (this.#quantum[context] ?? 0);
      this.#credit[context] = credit;
      if (credit > 0) return;
      this.#round.rotate();
    }
  }
}
