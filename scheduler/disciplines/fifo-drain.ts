import type { ContextId } from '../branded.js';
import type { Discipline } from '../discipline.js';
import { InvariantViolation } from '../errors.js';
import { ContextList } from './context-list.js';
import { Roster } from './roster.js';

/**
 * A doorbell drains its ring: the context that rang first is served until its ring is empty, then the next
 * one. No source is needed: it is how a device behaves that was designed without sharing in mind, and the
 * baseline against which the others are measured.
 *
 * - Complexity: O(1) per decision.
 * - Fairness: none. A context that keeps its ring filled is served for ever, and every context behind it starves.
 * - Delay: none.
 */
export class FifoDrain implements Discipline {
  readonly name: string = 'fifo';
  readonly timeless = true;
  readonly #roster = new Roster('fifo');
  readonly #queue = new ContextList();

  join(context: ContextId): void {
    this.#roster.join(context);
  }

  leave(context: ContextId): void {
    this.withdraw(context);
    this.#roster.leave(context);
  }

  activate(context: ContextId, headBytes: number): void {
    if (this.#roster.activate(context, headBytes)) this.#queue.pushBack(context);
  }

  select(): ContextId {
    return this.#queue.front;
  }

  served(context: ContextId, bytes: number, nextHeadBytes: number): void {
    if (!this.#roster.served(context, bytes, nextHeadBytes)) this.#queue.remove(context);
  }

  withdraw(context: ContextId): void {
    if (this.#roster.withdraw(context)) this.#queue.remove(context);
  }

  relativeFairnessBoundBytes(): number {
    return Number.POSITIVE_INFINITY;
  }

  checkInvariants(): void {
    this.#roster.checkInvariants();
    this.#queue.checkInvariants();
    if (this.#queue.size !== this.#roster.backlogged)
      throw new InvariantViolation('fifo: queue and roster disagree');
  }
}
