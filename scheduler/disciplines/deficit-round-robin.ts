import { type ContextId, contextAfter, FIRST_CONTEXT } from '../branded.js';
import { type BoundMember, type Discipline, NONE, requireWeight, type Share } from '../discipline.js';
import { InvariantViolation, ParameterError } from '../errors.js';
import { present } from '../present.js';
import { ContextList } from './context-list.js';
import { Roster } from './roster.js';
import { widened } from './widened.js';

/** Quantum of a weight of 1 unless another is given: one untagged Ethernet frame, bytes. */
export const DEFAULT_QUANTUM_BYTES = 1514;

/** @throws ParameterError unless the quantum is a whole number of bytes >= 1. */
export function requireQuantum(discipline: string, quantumBytes: number): number {
  if (!Number.isInteger(quantumBytes) || quantumBytes < 1 || quantumBytes > 2 ** 26) {
    throw new ParameterError(
      `${discipline}: quantumBytes is ${quantumBytes}, expected a whole number from 1 to ${2 ** 26}`,
    );
  }
  return quantumBytes;
}

/**
 * Deficit round robin: M. Shreedhar and G. Varghese, "Efficient Fair Queueing Using Deficit Round-Robin",
 * SIGCOMM 1995 / IEEE/ACM ToN 4(3), 1996. A visit adds the context's quantum to its deficit; the context
 * sends while its deficit covers the frame at its head, and the remainder carries over to its next visit. A context
 * that becomes idle forfeits the remainder, so that idling earns nothing.
 *
 * With Q_i = weight_i * quantumBytes, L_i the largest frame of i, F the sum of the quanta of those backlogged:
 *
 * - Complexity: O(1) per decision when quantumBytes >= the largest frame, since each visit then sends. With a
 *   smaller quantum a decision passes over the backlogged contexts at most twice: rounds in which none could send
 *   are added in one step.
 * - Fairness: between any two instants at which both have been backlogged throughout,
 *   |S_i/w_i - S_j/w_j| <= quantumBytes + (L_i - 1)/w_i + (L_j - 1)/w_j  (the theorem of the paper, with the
 *   sharp deficit bound L - 1; the deficit is a whole number below the head that it could not cover).
 * - Delay: a latency-rate server with latency ((F - Q_i)(1 + (L_i - 1)/Q_i) + sum over others of (L_j - 1)) / r
 *   to the first bit, L_i / r more to the last.
 *
 * The round advances when the next frame is selected, as in the paper and in Linux's sch_drr: a context that becomes
 * backlogged between a frame and the next decision comes before those whose visits end with that decision. Called
 * again, `select` finds the visit that it opened and changes nothing.
 *
 * A starved context keeps its deficit and its open visit, and resumes that visit before the next one begins.
 */
export class DeficitRoundRobin implements Discipline {
  readonly name: string = 'drr';
  readonly timeless = true;
  readonly quantumBytes: number;
  readonly #roster = new Roster('drr');
  /** Ready contexts in the order of their visits. */
  readonly #round = new ContextList();
  #quantum: Float64Array = new Float64Array(64);
  #deficit: Float64Array = new Float64Array(64);
  /** 1 from the time at which the context is granted the quantum of its visit until the round moves on. */
  #visited: Uint8Array = new Uint8Array(64);
  #chosen = NONE;

  constructor({ quantumBytes = DEFAULT_QUANTUM_BYTES }: { quantumBytes?: number } = {}) {
    this.quantumBytes = requireQuantum('drr', quantumBytes);
  }

  join(context: ContextId, share: Share): void {
    requireWeight(this.name, context, share.weight);
    this.#roster.join(context);
    this.#quantum = widened(this.#quantum, this.#roster.capacity);
    this.#deficit = widened(this.#deficit, this.#roster.capacity);
    this.#visited = widened(this.#visited, this.#roster.capacity);
    this.#quantum[context] = share.weight * this.quantumBytes;
    this.#deficit[context] = 0;
    this.#visited[context] = 0;
  }

  leave(context: ContextId): void {
    this.withdraw(context);
    this.#roster.leave(context);
  }

  activate(context: ContextId, headBytes: number): void {
    const resumes = this.#roster.isStarved(context);
    if (!this.#roster.activate(context, headBytes)) return;
    // A pause has ended the visit: it waits for its turn as a newcomer does.
    if (resumes && this.#visited[context] === 1) this.#round.pushFront(context);
    else this.#round.pushBack(context);
  }

  select(): ContextId {
    this.#chosen = this.#visit();
    return this.#chosen;
  }

  served(context: ContextId, bytes: number, nextHeadBytes: number): void {
    this.#requireTurn(context);
    if (this.#roster.served(context, bytes, nextHeadBytes)) {
      this.#deficit[context] = this.deficitBytes(context) - bytes;
      return;
    }
    this.#round.remove(context);
    this.#forfeit(context);
  }

  starve(context: ContextId, bytes: number): void {
    this.#requireTurn(context);
    this.#roster.starve(context, bytes);
    this.#deficit[context] = this.deficitBytes(context) - bytes;
    this.#round.remove(context);
  }

  /**
   * As if its visit had not begun: what it has sent in it is taken from what it had saved, as far as that goes. So its
   * deficit is one with which contexts begin their visits, and the bound holds from the end of the pause on.
   */
  pause(context: ContextId): void {
    if (this.#roster.pause(context)) this.#round.remove(context);
    if (this.#visited[context] === 1)
      this.#deficit[context] = Math.max(0, this.deficitBytes(context) - present(this.#quantum[context]));
    this.#visited[context] = 0;
  }

  withdraw(context: ContextId): void {
    if (this.#roster.withdraw(context)) this.#round.remove(context);
    if (this.#roster.isMember(context)) this.#forfeit(context);
  }

  /** Bytes that the context may still send in its visit, or has saved for the next one. */
  deficitBytes(context: ContextId): number {
    return present(this.#deficit[context]);
  }

  relativeFairnessBoundBytes(i: BoundMember, j: BoundMember): number {
    return this.quantumBytes + (i.maxFrameBytes - 1) / i.weight + (j.maxFrameBytes - 1) / j.weight;
  }

  checkInvariants(): void {
    this.#roster.checkInvariants();
    this.#round.checkInvariants();
    if (this.#round.size !== this.#roster.backlogged)
      throw new InvariantViolation('drr: round and roster disagree');
    for (let context = FIRST_CONTEXT; context < this.#roster.capacity; context = contextAfter(context)) {
      const deficit = this.deficitBytes(context);
      if (deficit === 0 && this.#visited[context] !== 1) continue;
      if (deficit < 0)
        throw new InvariantViolation(`drr: context ${context} has a deficit of ${deficit} bytes`);
      if (this.#roster.isBacklogged(context) || this.#roster.isStarved(context)) continue;
      if (deficit !== 0 || this.#visited[context] === 1)
        throw new InvariantViolation(`drr: context ${context} saved ${deficit} bytes while idle`);
    }
  }

  #requireTurn(context: ContextId): void {
    if (context !== this.#chosen)
      throw new InvariantViolation(`drr: context ${context} was served out of turn`);
    this.#chosen = NONE;
  }

  #forfeit(context: ContextId): void {
    this.#deficit[context] = 0;
    this.#visited[context] = 0;
  }

  /** The first context with a deficit that covers its head, once the round has reached it. */
  #visit(): ContextId {
    for (let passed = 0; ; passed += 1) {
      const context = this.#round.front;
      if (context === NONE) return NONE;
      // A whole round has passed in which none could send.
      if (passed === this.#round.size) this.#skipRounds();
      if (this.#visited[context] === 0) {
        this.#visited[context] = 1;
        this.#deficit[context] = this.deficitBytes(context) + present(this.#quantum[context]);
      }
      if (this.#roster.headBytes(context) <= this.deficitBytes(context)) return context;
      this.#visited[context] = 0;
      this.#round.rotate();
    }
  }

  /** Adds the rounds that precede the one in which some context can send; no visit is open. */
  #skipRounds(): void {
    let rounds = Number.POSITIVE_INFINITY;
    for (let context = this.#round.front; context !== NONE; context = this.#round.after(context)) {
      const missing = this.#roster.headBytes(context) - this.deficitBytes(context);
      rounds = Math.min(rounds, Math.ceil(missing / (this.#quantum[context] ?? 1)) - 1);
    }
    for (let context = this.#round.front; context !== NONE; context = this.#round.after(context)) {
      this.#deficit[context] = this.deficitBytes(context) + rounds * present(this.#quantum[context]);
    }
  }
}
