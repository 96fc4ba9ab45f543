import { absent } from '../../../scheduler/present.js';
import type { WalkerAssignment } from './parameters.js';
import { WalkStarts } from './walk-starts.js';

/**
 * A bounded number of page walkers. Each is the time at which it will be free, so a walk is booked the moment it is
 * asked for: first come, first served, either at the walker that owns the page or at the first that is free. Walks of
 * different walkers start no closer together than the interval.
 */
export class WalkerPool {
  readonly walkers: number;
  readonly #assignment: WalkerAssignment;
  readonly #starts: WalkStarts;
  readonly #freeAtNs: Float64Array;
  /** The walker of the last walk that was booked. */
  lastWalker = -1;

  /** @param intervalNs least time between the starts of two walks; 0 for none */
  constructor(walkers: number, assignment: WalkerAssignment, intervalNs: number) {
    this.walkers = walkers;
    this.#assignment = assignment;
    this.#starts = new WalkStarts(intervalNs);
    this.#freeAtNs = new Float64Array(walkers);
  }

  /** Books a walk of a page (its 4 KB number); returns when it ends, ns. @param fromNs not before that of the last call */
  book(page: number, fromNs: number, durationNs: number): number {
    const walker =
      this.#assignment === 'page' ? page - Math.floor(page / this.walkers) * this.walkers : this.#firstFree();
    const startNs = this.#starts.book(Math.max(fromNs, this.#freeAtNs[walker] ?? absent()), fromNs);
    this.#freeAtNs[walker] = startNs + durationNs;
    this.lastWalker = walker;
    return startNs + durationNs;
  }

  checkInvariants(): void {
    this.#starts.checkInvariants();
  }

  #firstFree(): number {
    let first = 0;
    for (let walker = 1; walker < this.walkers; walker += 1) {
      if ((this.#freeAtNs[walker] ?? absent()) < (this.#freeAtNs[first] ?? absent())) first = walker;
    }
    return first;
  }
}
