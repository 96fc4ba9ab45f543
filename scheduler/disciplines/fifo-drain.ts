import type { Discipline } from '../discipline.js';
import { InvariantViolation } from '../errors.js';
import { ContextList } from './context-list.js';
import { Roster } from './roster.js';

/**
 * What a doorbell that drains its ring does: the context that rang first is served until it has nothing
 * left, then the next one. No source needed; it is what a device does whose author did not think of sharing,
 * and the baseline that the others are measured against.
 *
 * - Complexity: O(1) a decision.
 * - Fairness: none. A context that keeps its ring filled is never left, and everybody behind it starves.
 * - Delay: none.
 */
export class FifoDrain implements Discipline {
  readonly name: string = 'fifo';
  readonly #roster = new Roster('fifo');
  readonly #queue = new ContextList();

  join(context: number): void {
    this.#roster.join(context);
  }

  leave(context: number): void {
    this.withdraw(context);
    this.#roster.leave(context);
  }

  activate(context: number, headBytes: number): void {
    if (this.#roster.activate(context, headBytes)) this.#queue.pushBack(context);
  }

  select(): number {
    return this.#queue.front;
  }

  served(context: number, bytes: number, nextHeadBytes: number): void {
    if (!this.#roster.served(context, bytes, nextHeadBytes)) this.#queue.remove(context);
  }

  withdraw(context: number): void {
    if (this.#roster.withdraw(context)) this.#queue.remove(context);
  }

  relativeFairnessBoundBytes(): number {
    return Number.POSITIVE_INFINITY;
  }

  checkInvariants(): void {
    this.#roster.checkInvariants();
    this.#queue.checkInvariants();
    if (this.#queue.size !== this.#roster.backlogged)
      throw new InvariantViolation('fifo: queue and roster differ');
  }
}
