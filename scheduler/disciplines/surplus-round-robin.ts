import { type ContextId, contextAfter, FIRST_CONTEXT } from '../branded.js';
import { type BoundMember, type Discipline, NONE, requireWeight, type Share } from '../discipline.js';
import { InvariantViolation } from '../errors.js';
import { present } from '../present.js';
import { ContextList } from './context-list.js';
import { DEFAULT_QUANTUM_BYTES, requireQuantum } from './deficit-round-robin.js';
import { Roster } from './roster.js';
import { widened } from './widened.js';

/**
 * Surplus round robin, deficit round robin with the debt carried instead of the savings: H. Adiseshu,
 * G. Parulkar and G. Varghese, "A Reliable and Scalable Striping Protocol", SIGCOMM 1996. A visit lasts while
 * the context has credit left; the frame that exhausts it is sent whole, and the excess is deducted
 * from the next visit. It is the rule of FQ-CoDel's queues (RFC 8290, section 4.2). A card can use it before
 * it has fetched the descriptor: the length of a frame is needed after the choice, not for it.
 *
 * With Q_i = weight_i * quantumBytes and L_i the largest frame of i:
 *
 * - Complexity: O(1) per decision when quantumBytes >= the largest frame; a debt is always paid by one visit then.
 *   With a smaller quantum, two passes at most: rounds that only pay debts are added in one step.
 * - Fairness: after a visit the debt is at most L_i - 1 bytes, so while both are backlogged
 *   |S_i/w_i - S_j/w_j| <= quantumBytes + (L_i - 1)/w_i + (L_j - 1)/w_j, the value of deficit round robin.
 * - Delay: before the k-th visit of i, every other j has sent at most k Q_j + L_j - 1 bytes, as under deficit
 *   round robin; a long frame never waits for more visits, since the visit does not depend on its length.
 *
 * The round advances when the next frame is selected, and a starved context keeps its credit and its open visit, as
 * under deficit round robin here.
 */
export class SurplusRoundRobin implements Discipline {
  readonly name: string = 'srr';
  readonly timeless = true;
  readonly quantumBytes: number;
  readonly #roster = new Roster('srr');
  /** Ready contexts in the order of their visits. */
  readonly #round = new ContextList();
  #quantum: Float64Array = new Float64Array(64);
  /** Above 0 only during a visit. */
  #credit: Float64Array = new Float64Array(64);
  /** 1 from the time at which the context is granted the quantum of its visit until the round moves on. */
  #visited: Uint8Array = new Uint8Array(64);
  #chosen = NONE;

  constructor({ quantumBytes = DEFAULT_QUANTUM_BYTES }: { quantumBytes?: number } = {}) {
    this.quantumBytes = requireQuantum('srr', quantumBytes);
  }

  join(context: ContextId, share: Share): void {
    requireWeight(this.name, context, share.weight);
    this.#roster.join(context);
    this.#quantum = widened(this.#quantum, this.#roster.capacity);
    this.#credit = widened(this.#credit, this.#roster.capacity);
    this.#visited = widened(this.#visited, this.#roster.capacity);
    this.#quantum[context] = share.weight * this.quantumBytes;
    this.#visited[context] = 0;
  }

  leave(context: ContextId): void {
    this.withdraw(context);
    this.#roster.leave(context);
  }

  activate(context: ContextId, headBytes: number): void {
    const resumes = this.#roster.isStarved(context);
    if (!this.#roster.activate(context, headBytes)) return;
    if (resumes) this.#round.pushFront(context);
    else this.#round.pushBack(context);
  }

  select(): ContextId {
    this.#chosen = this.#visit();
    return this.#chosen;
  }

  served(context: ContextId, bytes: number, nextHeadBytes: number): void {
    this.#requireTurn(context);
    this.#credit[context] = this.creditBytes(context) - bytes;
    if (this.#roster.served(context, bytes, nextHeadBytes)) return;
    this.#round.remove(context);
    this.#forfeit(context);
  }

  starve(context: ContextId, bytes: number): void {
    this.#requireTurn(context);
    this.#roster.starve(context, bytes);
    this.#credit[context] = this.creditBytes(context) - bytes;
    this.#round.remove(context);
  }

  withdraw(context: ContextId): void {
    if (this.#roster.withdraw(context)) this.#round.remove(context);
    if (this.#roster.isMember(context)) this.#forfeit(context);
  }

  /** Bytes that the context may still send in its visit, or its debt from the last one (negative). */
  creditBytes(context: ContextId): number {
    return present(this.#credit[context]);
  }

  relativeFairnessBoundBytes(i: BoundMember, j: BoundMember): number {
    return this.quantumBytes + (i.maxFrameBytes - 1) / i.weight + (j.maxFrameBytes - 1) / j.weight;
  }

  checkInvariants(): void {
    this.#roster.checkInvariants();
    this.#round.checkInvariants();
    if (this.#round.size !== this.#roster.backlogged)
      throw new InvariantViolation('srr: round and roster disagree');
    for (let context = FIRST_CONTEXT; context < this.#roster.capacity; context = contextAfter(context)) {
      const credit = this.creditBytes(context);
      if (credit > 0 && this.#visited[context] === 0)
        throw new InvariantViolation(
          `srr: context ${context} has a credit of ${credit} bytes without a visit`,
        );
    }
  }

  #requireTurn(context: ContextId): void {
    if (context !== this.#chosen)
      throw new InvariantViolation(`srr: context ${context} was served out of turn`);
    this.#chosen = NONE;
  }

  /** Becoming idle forfeits a credit. A debt stays; otherwise going idle after each long frame would cancel it. */
  #forfeit(context: ContextId): void {
    this.#credit[context] = Math.min(0, this.creditBytes(context));
    this.#visited[context] = 0;
  }

  /** The first context with a credit, once the round has come to it. */
  #visit(): ContextId {
    for (let passed = 0; ; passed += 1) {
      const context = this.#round.front;
      if (context === NONE) return NONE;
      // A whole round has passed that only paid debts.
      if (passed === this.#round.size) this.#skipRounds();
      if (this.#visited[context] === 0) {
        this.#visited[context] = 1;
        this.#credit[context] = this.creditBytes(context) + present(this.#quantum[context]);
      }
      if (this.creditBytes(context) > 0) return context;
      this.#visited[context] = 0;
      this.#round.rotate();
    }
  }

  /** Adds the rounds that precede the one in which some context has a credit; no visit is open. */
  #skipRounds(): void {
    let rounds = Number.POSITIVE_INFINITY;
    for (let context = this.#round.front; context !== NONE; context = this.#round.after(context)) {
      rounds = Math.min(rounds, Math.floor(-this.creditBytes(context) / (this.#quantum[context] ?? 1)));
    }
    for (let context = this.#round.front; context !== NONE; context = this.#round.after(context)) {
      this.#credit[context] = this.creditBytes(context) + rounds * present(this.#quantum[context]);
    }
  }
}
