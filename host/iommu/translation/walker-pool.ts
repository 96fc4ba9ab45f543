import type { Clock } from '../../../scheduler/clock.js';
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
  readonly #clock: Clock;
  readonly #assignment: WalkerAssignment;
  readonly #starts: WalkStarts;
  readonly #freeAtNs: Float64Array;
  /** The walker of the last walk that was booked. */
  lastWalker = -1;

  /** @param intervalNs least time between the starts of two walks; 0 for none */
  constructor(clock: Clock, walkers: number, assignment: WalkerAssignment, intervalNs: number) {
    this.#clock = clock;
    this.walkers = walkers;
    this.#assignment = assignment;
    this.#starts = new WalkStarts(clock, intervalNs);
    this.#freeAtNs = new Float64Array(walkers);
  }

  /** Books a walk of a page (its 4 KB number) that can begin in `lookupNs`; returns in how many ns it ends. */
  book(page: number, lookupNs: number, durationNs: number): number {
    const walker =
      this.#assignment === 'page' ? page - Math.floor(page / this.walkers) * this.walkers : this.#firstFree();
    const { nowNs } = this.#clock;
    const freeInNs = Math.max(lookupNs, (this.#freeAtNs[walker] ?? absent()) - nowNs);
    const endsInNs = this.#starts.book(freeInNs, lookupNs) + durationNs;
    this.#freeAtNs[walker] = nowNs + endsInNs;
    this.lastWalker = walker;
    return endsInNs;
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
