import { type ContextId, storedContextId } from '../branded.js';
import { NONE } from '../discipline.js';
import { InvariantViolation } from '../errors.js';
import { capacityFor, widened } from './widened.js';

const UNLINKED = -2;

/**
 * A queue of contexts linked through typed arrays: a context is its own list node, so that queueing
 * allocates nothing, and a context can be removed from the middle. Every operation is O(1).
 */
export class ContextList {
  #next: Int32Array = new Int32Array(64).fill(UNLINKED);
  #previous: Int32Array = new Int32Array(64).fill(UNLINKED);
  #front = NONE;
  #back = NONE;
  #size = 0;

  /** First in the queue, or NONE. */
  get front(): ContextId {
    return this.#front;
  }

  get size(): number {
    return this.#size;
  }

  /** The context behind `context`, or NONE. */
  after(context: ContextId): ContextId {
    return storedContextId(this.#next[context] ?? NONE);
  }

  has(context: ContextId): boolean {
    return (this.#next[context] ?? UNLINKED) !== UNLINKED;
  }

  /** Puts a context, which must not be in the list, behind all others. */
  pushBack(context: ContextId): void {
    if (context >= this.#next.length) {
      const capacity = capacityFor(context);
      this.#next = widened(this.#next, capacity, UNLINKED);
      this.#previous = widened(this.#previous, capacity, UNLINKED);
    }
    if (this.#next[context] !== UNLINKED)
      throw new InvariantViolation(`context ${context} is in the list already`);
    this.#next[context] = NONE;
    this.#previous[context] = this.#back;
    if (this.#back === NONE) this.#front = context;
    else this.#next[this.#back] = context;
    this.#back = context;
    this.#size += 1;
  }

  /** Puts a context, which must not be in the list, before all others. */
  pushFront(context: ContextId): void {
    const front = this.#front;
    this.pushBack(context);
    if (front === NONE) return;
    // From the back to the front: a rotation of the ring.
    this.#back = storedContextId(this.#previous[context] ?? NONE);
    this.#next[this.#back] = NONE;
    this.#previous[context] = NONE;
    this.#next[context] = front;
    this.#previous[front] = context;
    this.#front = context;
  }

  /** Removes a context, wherever it is in the list. */
  remove(context: ContextId): void {
    const next = storedContextId(this.#next[context] ?? UNLINKED);
    if (next === UNLINKED) throw new InvariantViolation(`context ${context} is not in the list`);
    const previous = storedContextId(this.#previous[context] ?? NONE);
    if (previous === NONE) this.#front = next;
    else this.#next[previous] = next;
    if (next === NONE) this.#back = previous;
    else this.#previous[next] = previous;
    this.#next[context] = UNLINKED;
    this.#previous[context] = UNLINKED;
    this.#size -= 1;
  }

  /** Moves the first behind the last. */
  rotate(): void {
    const context = this.#front;
    if (context === this.#back) return;
    this.remove(context);
    this.pushBack(context);
  }

  checkInvariants(): void {
    let count = 0;
    let previous = NONE;
    for (let context = this.#front; context !== NONE; context = this.after(context)) {
      if (this.#previous[context] !== previous)
        throw new InvariantViolation(`context ${context} is linked in one direction only`);
      previous = context;
      count += 1;
      if (count > this.#size) throw new InvariantViolation('the list has a cycle');
    }
    if (previous !== this.#back || count !== this.#size)
      throw new InvariantViolation(`list of ${this.#size} has ${count}`);
  }
}
