import { present } from '../../../scheduler/present.js';
import type { WalkerAssignment } from './parameters.js';

/**
 * A bounded number of page walkers. Each is the time at which it will be free, so a walk is booked the moment it is
 * asked for: first come, first served, either at the walker that owns the page or at the first that is free.
 */
export class WalkerPool {
  readonly walkers: number;
  readonly #assignment: WalkerAssignment;
  readonly #freeAtNs: Float64Array;

  constructor(walkers: number, assignment: WalkerAssignment) {
    this.walkers = walkers;
    this.#assignment = assignment;
    this.#freeAtNs = new Float64Array(walkers);
  }

  /** Books a walk of a page (its 4 KB number); returns when it ends, ns. */
  book(page: number, fromNs: number, durationNs: number): number {
    const walker =
      this.#assignment === 'page' ? page - Math.floor(page / this.walkers) * this.walkers : this.#firstFree();
    const startNs = Math.max(fromNs, present(this.#freeAtNs[walker]));
    this.#freeAtNs[walker] = startNs + durationNs;
    return startNs + durationNs;
  }

  #firstFree(): number {
    let first = 0;
    for (let walker = 1; walker < this.walkers; walker += 1) {
      if (present(this.#freeAtNs[walker]) < present(this.#freeAtNs[first])) first = walker;
    }
    return first;
  }
}
