import type { Clock } from '../../../scheduler/clock.js';
import { InvariantViolation } from '../../../scheduler/errors.js';
import { absent } from '../../../scheduler/present.js';

/**
 * The path by which walks reach memory: it takes one every interval. A start is booked ahead, at the first moment that
 * keeps its distance to all that are booked already; one that waits for its walker does not hold back the others.
 */
export class WalkStarts {
  readonly #clock: Clock;
  readonly #intervalNs: number;
  /** Booked starts that a new one could come too near to, ascending. */
  #startsNs = new Float64Array(64);
  #count = 0;

  /** @param intervalNs least time between two starts; 0 for none */
  constructor(clock: Clock, intervalNs: number) {
    this.#clock = clock;
    this.#intervalNs = intervalNs;
  }

  /**
   * Books the first start that is possible in `earliestInNs` or later; returns in how many ns it is.
   *
   * @param leastInNs none will be asked for before it from now on
   */
  book(earliestInNs: number, leastInNs: number): number {
    if (this.#intervalNs === 0) return earliestInNs;
    const { nowNs } = this.#clock;
    this.#forget(leastInNs - this.#intervalNs);
    let startNs = nowNs + earliestInNs;
    let at = 0;
    for (; at < this.#count; at += 1) {
      const booked = this.#startsNs[at] ?? absent();
      if (booked >= startNs + this.#intervalNs) break;
      startNs = Math.max(startNs, booked + this.#intervalNs);
    }
    this.#makeSpace(at);
    this.#startsNs[at] = startNs;
    return startNs - nowNs;
  }

  checkInvariants(): void {
    for (let at = 1; at < this.#count; at += 1) {
      if ((this.#startsNs[at] ?? absent()) - (this.#startsNs[at - 1] ?? absent()) < this.#intervalNs)
        throw new InvariantViolation('two walks start closer together than the interval');
    }
  }

  /** Drops starts up to so many ns from now. */
  #forget(untilInNs: number): void {
    const untilNs = this.#clock.nowNs + untilInNs;
    let past = 0;
    while (past < this.#count && (this.#startsNs[past] ?? absent()) <= untilNs) past += 1;
    if (past === 0) return;
    // A handful, as in the table of walks: too few for a call of copyWithin to pay.
    this.#count -= past;
    for (let at = 0; at < this.#count; at += 1) this.#startsNs[at] = this.#startsNs[at + past] ?? absent();
  }

  #makeSpace(at: number): void {
    if (this.#count === this.#startsNs.length) {
      const wider = new Float64Array(this.#count * 2);
      wider.set(this.#startsNs);
      this.#startsNs = wider;
    }
    for (let behind = this.#count; behind > at; behind -= 1)
      this.#startsNs[behind] = this.#startsNs[behind - 1] ?? absent();
    this.#count += 1;
  }
}
