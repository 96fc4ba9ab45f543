import { InvariantViolation } from '../../../scheduler/errors.js';
import { absent } from '../../../scheduler/present.js';

/**
 * The path by which walks reach memory: it takes one every interval. A start is booked ahead, at the first moment that
 * keeps its distance to all that are booked already; one that waits for its walker does not hold back the others.
 */
export class WalkStarts {
  readonly #intervalNs: number;
  /** Booked starts that a new one could come too near to, ascending. */
  #startsNs = new Float64Array(64);
  #count = 0;

  /** @param intervalNs least time between two starts; 0 for none */
  constructor(intervalNs: number) {
    this.#intervalNs = intervalNs;
  }

  /** Books the first start that is possible from `earliestNs` on. @param nowNs not before that of the last call */
  book(earliestNs: number, nowNs: number): number {
    if (this.#intervalNs === 0) return earliestNs;
    this.#forget(nowNs - this.#intervalNs);
    let startNs = earliestNs;
    let at = 0;
    for (; at < this.#count; at += 1) {
      const booked = this.#startsNs[at] ?? absent();
      if (booked >= startNs + this.#intervalNs) break;
      startNs = Math.max(startNs, booked + this.#intervalNs);
    }
    this.#insert(at, startNs);
    return startNs;
  }

  checkInvariants(): void {
    for (let at = 1; at < this.#count; at += 1) {
      if ((this.#startsNs[at] ?? absent()) - (this.#startsNs[at - 1] ?? absent()) < this.#intervalNs)
        throw new InvariantViolation('two walks start closer together than the interval');
    }
  }

  #forget(untilNs: number): void {
    let past = 0;
    while (past < this.#count && (this.#startsNs[past] ?? absent()) <= untilNs) past += 1;
    if (past === 0) return;
    // A handful, as in the table of walks: too few for a call of copyWithin to pay.
    this.#count -= past;
    for (let at = 0; at < this.#count; at += 1) this.#startsNs[at] = this.#startsNs[at + past] ?? absent();
  }

  #insert(at: number, startNs: number): void {
    if (this.#count === this.#startsNs.length) {
      const wider = new Float64Array(this.#count * 2);
      wider.set(this.#startsNs);
      this.#startsNs = wider;
    }
    for (let behind = this.#count; behind > at; behind -= 1)
      this.#startsNs[behind] = this.#startsNs[behind - 1] ?? absent();
    this.#startsNs[at] = startNs;
    this.#count += 1;
  }
}
