import { NONE } from '../discipline.js';
import { InvariantViolation } from '../errors.js';
import { present } from '../present.js';
import { capacityFor, widened } from './widened.js';

/**
 * Contexts ordered by a key that their discipline keeps. The position of each is stored, so that one can be removed
 * from the middle. O(log n) for every change, nothing allocated. Equal keys are ordered by context number.
 */
export class ContextHeap {
  readonly #compare: (left: number, right: number) => number;
  #heap: Int32Array = new Int32Array(64);
  /** Position of each context in the heap, or -1. */
  #place: Int32Array = new Int32Array(64).fill(-1);
  #size = 0;

  /** @param compare below 0 if the key of the first context is smaller than that of the second, 0 if they are equal. */
  constructor(compare: (left: number, right: number) => number) {
    this.#compare = compare;
  }

  /** The context with the smallest key, or NONE. */
  get top(): number {
    return this.#size > 0 ? (this.#heap[0] ?? NONE) : NONE;
  }

  get size(): number {
    return this.#size;
  }

  has(context: number): boolean {
    return (this.#place[context] ?? -1) >= 0;
  }

  push(context: number): void {
    if (context >= this.#place.length) {
      const capacity = capacityFor(context);
      this.#heap = widened(this.#heap, capacity);
      this.#place = widened(this.#place, capacity, -1);
    }
    if (this.has(context)) throw new InvariantViolation(`context ${context} is in the heap already`);
    this.#size += 1;
    this.#rise(this.#size - 1, context);
  }

  remove(context: number): void {
    const hole = this.#place[context] ?? -1;
    if (hole < 0) throw new InvariantViolation(`context ${context} is not in the heap`);
    this.#place[context] = -1;
    this.#size -= 1;
    if (hole === this.#size) return;
    this.#settle(hole, present(this.#heap[this.#size]));
  }

  /** The key of a context that is in the heap has changed. */
  changed(context: number): void {
    const hole = this.#place[context] ?? -1;
    if (hole < 0) throw new InvariantViolation(`context ${context} is not in the heap`);
    this.#settle(hole, context);
  }

  checkInvariants(): void {
    for (let index = 0; index < this.#size; index += 1) {
      const context = this.#heap[index] ?? NONE;
      if (this.#place[context] !== index)
        throw new InvariantViolation(`context ${context} is not at its recorded position`);
      if (index > 0 && this.#before(context, this.#heap[(index - 1) >> 1] ?? NONE)) {
        throw new InvariantViolation(`context ${context} sorts before its parent`);
      }
    }
  }

  #before(left: number, right: number): boolean {
    const order = this.#compare(left, right);
    return order < 0 || (order === 0 && left < right);
  }

  #settle(hole: number, context: number): void {
    if (hole > 0 && this.#before(context, this.#heap[(hole - 1) >> 1] ?? NONE)) this.#rise(hole, context);
    else this.#sink(hole, context);
  }

  #rise(from: number, context: number): void {
    let hole = from;
    while (hole > 0) {
      const parent = (hole - 1) >> 1;
      const above = this.#heap[parent] ?? NONE;
      if (!this.#before(context, above)) break;
      this.#put(hole, above);
      hole = parent;
    }
    this.#put(hole, context);
  }

  #sink(from: number, context: number): void {
    let hole = from;
    for (;;) {
      let child = 2 * hole + 1;
      if (child >= this.#size) break;
      let below = this.#heap[child] ?? NONE;
      if (child + 1 < this.#size) {
        const right = this.#heap[child + 1] ?? NONE;
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

  #put(place: number, context: number): void {
    this.#heap[place] = context;
    this.#place[context] = place;
  }
}
