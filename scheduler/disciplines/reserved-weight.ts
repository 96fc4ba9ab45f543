import type { ContextId } from '../branded.js';
import { ContextList } from './context-list.js';
import type { TagTable } from './tag-table.js';
import { requireTagWeight } from './weights.js';

/**
 * The sum of weights by which a virtual clock runs: of those that take part, and of those that left while
 * their last finish tag was still ahead of the clock. The latter have received service in advance; without
 * them the clock would run too fast, and a context that leaves and returns at once would gain at the others' expense.
 *
 * Those that left are examined in the order in which they left, so one may stay counted a little longer than
 * it has to. That is harmless (the clock is late, never early), and keeps it O(1).
 */
export class ReservedWeight {
  readonly #discipline: string;
  readonly #tags: TagTable;
  readonly #leaving = new ContextList();
  #sum = 0;

  constructor(discipline: string, tags: TagTable) {
    this.#discipline = discipline;
    this.#tags = tags;
  }

  get sum(): number {
    return this.#sum;
  }

  /** @throws RangeError for a weight that tags cannot carry. */
  require(context: ContextId, weight: number): void {
    const before = this.#leaving.has(context) ? this.#sum - this.#tags.weight(context) : this.#sum;
    requireTagWeight(this.#discipline, context, weight, before);
  }

  join(context: ContextId, weight: number, capacity: number): void {
    if (this.#leaving.has(context)) this.#forget(context);
    this.#tags.setWeight(context, weight, capacity);
    this.#sum += weight;
  }

  leave(context: ContextId): void {
    this.#leaving.pushBack(context);
    this.expire();
  }

  /** The clock has advanced: those that it has passed no longer count. */
  expire(): void {
    while (this.#leaving.size > 0 && this.#tags.hasFinished(this.#leaving.front))
      this.#forget(this.#leaving.front);
  }

  #forget(context: ContextId): void {
    this.#leaving.remove(context);
    this.#sum -= this.#tags.weight(context);
  }
}
