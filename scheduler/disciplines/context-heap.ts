import { type ContextId, storedContextId } from '../branded.js';
import { NONE } from '../discipline.js';
import { InvariantViolation } from '../errors.js';
import { capacityFor, widened } from './widened.js';

/**
 * Contexts ordered by a key that their discipline keeps. The position of each is stored, so that one can be removed
 * from the middle. O(log n) for every change, nothing allocated. Equal keys are ordered by context number.
 */
export class ContextHeap {
  readonly #compare: (left: ContextId, right: ContextId) => number;
  #heap: Int32Array = new Int32Array(64);
  /** Position of each context in the heap, or -1. */
  #place: Int32Array = new Int32Array(64).fill(-1);
  #size = 0;

  /** @param compare below 0 if the key of the first context is smaller than that of the second, 0 if they are equal. */
  constructor(compare: (left: ContextId, right: ContextId) => number) {
    this.#compare = compare;
  }

  /** The context with the smallest key, or NONE. */
  get top(): ContextId {
    return this.#size > 0 ? this.#at(0) : NONE;
  }

  get size(): number {
    return this.#size;
  }

  has(context: ContextId): boolean {
    return (this.#place[context] ?? -1) >= 0;
  }

  push(context: ContextId): void {
    if (context >= this.#place.length) {
      const capacity = capacityFor(context);
      this.#heap = widened(this.#heap, capacity);
      this.#place = widened(this.#place, capacity, -1);
    }
    if (this.has(context)) throw new InvariantViolation(`context ${context} is in the heap already`);
    this.#size += 1;
    this.#rise(this.#size - 1, context);
  }

  remove(context: ContextId): void {
    const hole = this.#place[context] ?? -1;
    if (hole < 0) throw new InvariantViolation(`context ${context} is not in the heap`);
    this.#place[context] = -1;
    this.#size -= 1;
    if (hole === this.#size) return;
    this.#settle(hole, this.#at(this.#size));
  }

  /** The key of a context that is in the heap has changed. */
  changed(context: ContextId): void {
    const hole = this.#place[context] ?? -1;
    if (hole < 0) throw new InvariantViolation(`context ${context} is not in the heap`);
    this.#settle(hole, context);
  }

  checkInvariants(): void {
    for (let index = 0; index < this.#size; index += 1) {
      const context = this.#at(index);
      if (this.#place[context] !== index)
        throw new InvariantViolation(`context ${context} is not at its recorded position`);
      if (index > 0 && this.#before(context, this.#at((index - 1) >> 1))) {
        throw new InvariantViolation(`context ${context} sorts before its parent`);
      }
    }
  }

  #at(place: number): ContextId {
    return storedContextId(this.#heap[place] ?? NONE);
  }

  #before(left: ContextId, right: ContextId): boolean {
    const order = this.#compare(left, right);
    return order < 0 || (order === 0 && left < right);
  }

  #settle(hole: number, context: ContextId): void {
    if (hole > 0 && this.#before(context, this.#at((hole - 1) >> 1))) this.#rise(hole, context);
    else this.#sink(hole, context);
  }

  #rise(from: number, context: ContextId): void {
    let hole = from;
    while (hole > 0) {
      const parent = (hole - 1) >> 1;
      const above = this.#at(parent);
      if (!this.#before(context, above)) break;
      this.#put(hole, above);
      hole = parent;
    }
    this.#put(hole, context);
  }

  #sink(from: number, context: ContextId): void {
    let hole = from;
    for (;;) {
      let child = 2 * hole + 1;
      if (child >= this.#size) break;
      let below = this.#at(child);
      if (child + 1 < this.#size) {
        const right = this.#at(child + 1);
        if (this.#before(right, below)) {
          below = right;
          child += 1;
        }
      }
      if (!this.#before(below, context)) break;
      this.#put(hole, below);
      hole = child;
    }
    this.#put(hole, context);
  }

  #put(place: number, context: ContextId): void {
    this.#heap[place] = context;
    this.#place[context] = place;
  }
}
