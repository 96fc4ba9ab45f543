import { type BoundMember, type Discipline, NONE, requireWeight, type Share } from '../discipline.js';
import { InvariantViolation, ParameterError } from '../errors.js';
import { ContextList } from './context-list.js';
import { Roster } from './roster.js';
import { widened } from './widened.js';

/** What a quantum a weight of 1 is when nobody says otherwise: one untagged Ethernet frame, bytes. */
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
 * sends while the frame at its head is covered, and what is left carries over to its next visit. A context
 * that runs empty loses what was left, so that idling earns nothing.
 *
 * With Q_i = weight_i * quantumBytes, L_i the largest frame of i, F the sum of the quanta of those backlogged:
 *
 * - Complexity: O(1) a decision when quantumBytes >= the largest frame, since each visit then sends. With a
 *   smaller quantum a decision may pass over everybody L_max / quantumBytes times.
 * - Fairness: between any two instants at which both have been backlogged throughout,
 *   |S_i/w_i - S_j/w_j| <= quantumBytes + (L_i - 1)/w_i + (L_j - 1)/w_j  (the theorem of the paper, with the
 *   sharp deficit bound L - 1; the deficit is a whole number below the head that it could not cover).
 * - Delay: a latency-rate server with latency ((F - Q_i)(1 + (L_i - 1)/Q_i) + sum over others of (L_j - 1)) / r
 *   to the first bit, L_i / r more to the last.
 *
 * The round moves on when a frame has been served, not when it is asked who is next: `select` reads one
 * number, and asking it more often cannot change what follows.
 */
export class DeficitRoundRobin implements Discipline {
  readonly name: string = 'drr';
  readonly quantumBytes: number;
  readonly #roster = new Roster('drr');
  /** Backlogged contexts in the order of their visits; the first one's visit is open. */
  readonly #round = new ContextList();
  #quantum: Float64Array = new Float64Array(64);
  #deficit: Float64Array = new Float64Array(64);

  constructor({ quantumBytes = DEFAULT_QUANTUM_BYTES }: { quantumBytes?: number } = {}) {
    this.quantumBytes = requireQuantum('drr', quantumBytes);
  }

  join(context: number, share: Share): void {
    requireWeight(this.name, context, share.weight);
    this.#roster.join(context);
    this.#quantum = widened(this.#quantum, this.#roster.capacity);
    this.#deficit = widened(this.#deficit, this.#roster.capacity);
    this.#quantum[context] = share.weight * this.quantumBytes;
    this.#deficit[context] = 0;
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
      throw new InvariantViolation(`drr: context ${context} was served out of its turn`);
    const left = (this.#deficit[context] ?? 0) - bytes;
    if (!this.#roster.served(context, bytes, nextHeadBytes)) {
      this.#deficit[context] = 0;
      this.#round.remove(context);
      this.#openVisit();
      return;
    }
    this.#deficit[context] = left;
    if (nextHeadBytes <= left) return;
    this.#round.rotate();
    this.#openVisit();
  }

  withdraw(context: number): void {
    if (!this.#roster.withdraw(context)) return;
    const wasOpen = context === this.#round.front;
    this.#deficit[context] = 0;
    this.#round.remove(context);
    if (wasOpen) this.#openVisit();
  }

  /** Bytes that the context may still send in its visit, or has saved for the next one. */
  deficitBytes(context: number): number {
    return this.#deficit[context] ?? 0;
  }

  relativeFairnessBoundBytes(i: BoundMember, j: BoundMember): number {
    return this.quantumBytes + (i.maxFrameBytes - 1) / i.weight + (j.maxFrameBytes - 1) / j.weight;
  }

  checkInvariants(): void {
    this.#roster.checkInvariants();
    this.#round.checkInvariants();
    if (this.#round.size !== this.#roster.backlogged)
      throw new InvariantViolation('drr: round and roster differ');
    for (let context = 0; context < this.#roster.capacity; context += 1) {
      const deficit = this.deficitBytes(context);
      const head = this.#roster.headBytes(context);
      if (deficit < 0)
        throw new InvariantViolation(`drr: context ${context} has a deficit of ${deficit} bytes`);
      if (head === 0 && deficit !== 0)
        throw new InvariantViolation(`drr: context ${context} saved ${deficit} bytes while idle`);
      if (context === this.#round.front) {
        if (head > deficit)
          throw new InvariantViolation(`drr: context ${context} is on turn and cannot send`);
      } else if (head > 0 && deficit >= head) {
        throw new InvariantViolation(
          `drr: context ${context} was left with ${deficit} bytes for a head of ${head}`,
        );
      }
    }
  }

  /** Gives the first context its quantum, and goes on to the next as long as that is not enough. */
  #openVisit(): void {
    for (;;) {
      const context = this.#round.front;
      if (context === NONE) return;
      const deficit = (this.#deficit[context] ?? 0) + (this.#quantum[context] ?? 0);
      this.#deficit[context] = deficit;
      if (this.#roster.headBytes(context) <= deficit) return;
      this.#round.rotate();
    }
  }
}
