import type { ContextId } from '../branded.js';
import { InvariantViolation } from '../errors.js';
import { present } from '../present.js';
import { widened } from './widened.js';

const NONE = -1;

/**
 * A queue of start tags per context, one per waiting frame: whole units, and the fraction of a unit in 1/weight. The
 * queues share one pool of nodes, which grows to the largest number of frames that ever waited and is reused.
 */
export class FrameStamps {
  #whole: Float64Array = new Float64Array(256);
  #part: Float64Array = new Float64Array(256);
  #next: Int32Array = new Int32Array(256);
  #first: Int32Array = new Int32Array(64).fill(NONE);
  #last: Int32Array = new Int32Array(64).fill(NONE);
  #free = NONE;
  #used = 0;

  grow(capacity: number): void {
    this.#first = widened(this.#first, capacity, NONE);
    this.#last = widened(this.#last, capacity, NONE);
  }

  isEmpty(context: ContextId): boolean {
    return (this.#first[context] ?? NONE) === NONE;
  }

  /** Of the first frame, whole units. */
  whole(context: ContextId): number {
    return present(this.#whole[present(this.#first[context])]);
  }

  /** Of the first frame, the fraction beyond whole units. */
  part(context: ContextId): number {
    return present(this.#part[present(this.#first[context])]);
  }

  push(context: ContextId, whole: number, part: number): void {
    const node = this.#take();
    this.#whole[node] = whole;
    this.#part[node] = part;
    this.#next[node] = NONE;
    if (this.isEmpty(context)) this.#first[context] = node;
    else this.#next[present(this.#last[context])] = node;
    this.#last[context] = node;
  }

  /** Forgets the first frame. */
  shift(context: ContextId): void {
    const node = this.#first[context] ?? NONE;
    if (node === NONE) throw new InvariantViolation(`context ${context} has no stamp`);
    this.#first[context] = this.#next[node] ?? NONE;
    this.#next[node] = this.#free;
    this.#free = node;
  }

  clear(context: ContextId): void {
    while (!this.isEmpty(context)) this.shift(context);
  }

  #take(): number {
    if (this.#free !== NONE) {
      const node = this.#free;
      this.#free = this.#next[node] ?? NONE;
      return node;
    }
    if (this.#used === this.#whole.length) {
      this.#whole = widened(this.#whole, this.#used * 2);
      this.#part = widened(this.#part, this.#used * 2);
      this.#next = widened(this.#next, this.#used * 2);
    }
    this.#used += 1;
    return this.#used - 1;
  }
}
