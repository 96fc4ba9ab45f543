import type { ContextId } from '../branded.js';
import { InvariantViolation } from '../errors.js';
import { ContextHeap } from './context-heap.js';
import type { TagTable } from './tag-table.js';

/**
 * Generalised processor sharing, the fluid system that WFQ imitates: A. Parekh and R. Gallager, "A
 * Generalized Processor Sharing Approach to Flow Control", IEEE/ACM ToN 1(3), 1993. All backlogged contexts are
 * served at once, in proportion to weight, so the clock runs at r / (sum of the weights of those backlogged
 * *in the fluid system*), and a context leaves that system when the clock reaches its last finish tag.
 *
 * Whole units and the fraction are kept apart, so that the clock is accurate to 2^-52 units however far it has
 * advanced. Its rounding does not depend on weights.
 */
export class FluidClock {
  readonly #tags: TagTable;
  #unitsPerNs: number;
  readonly #backlogged: ContextHeap;
  #weights = 0;
  #whole = 0;
  #fraction = 0;
  #atNs = 0;

  /** @param linkBps rate of the fluid system, bits per second. */
  constructor(tags: TagTable, linkBps: number) {
    this.#tags = tags;
    this.#unitsPerNs = (linkBps / 8e9) * tags.unitsPerByte;
    this.#backlogged = new ContextHeap((i, j) => tags.compareFinishes(i, j));
  }

  /** Number of contexts that the fluid system has not finished. */
  get backlogged(): number {
    return this.#backlogged.size;
  }

  /** Sum of their weights. */
  get weights(): number {
    return this.#weights;
  }

  /** Runs the fluid system up to `nowNs` and sets the clock of the tags. Amortised O(log n) per departure. */
  run(nowNs: number): void {
    let work = (nowNs - this.#atNs) * this.#unitsPerNs;
    this.#atNs = nowNs;
    while (this.#backlogged.size > 0 && work > 0) {
      const next = this.#backlogged.top;
      const whole = this.#tags.finishWhole(next);
      const fraction = this.#tags.finishFraction(next);
      const needed = (whole - this.#whole + (fraction - this.#fraction)) * this.#weights;
      if (needed <= work) {
        work -= Math.max(0, needed);
        this.#whole = whole;
        this.#fraction = fraction;
        this.#remove(next);
      } else {
        const sum = this.#fraction + work / this.#weights;
        this.#whole += Math.floor(sum);
        this.#fraction = sum - Math.floor(sum);
        work = 0;
      }
    }
    this.#tags.setClockTo(this.#whole, this.#fraction);
  }

  /** The fluid system runs at another rate from `nowNs` on, bits per second. */
  changeRate(linkBps: number, nowNs: number): void {
    this.run(nowNs);
    this.#unitsPerNs = (linkBps / 8e9) * this.#tags.unitsPerByte;
  }

  /** The finish tag of a context has changed: it has more work in the fluid system, or less. */
  changed(context: ContextId): void {
    const present = this.#backlogged.has(context);
    if (this.#tags.hasFinished(context)) {
      if (present) this.#remove(context);
    } else if (present) {
      this.#backlogged.changed(context);
    } else {
      this.#backlogged.push(context);
      this.#weights += this.#tags.weight(context);
    }
  }

  /** The weight of a context is about to change. */
  forget(context: ContextId): void {
    if (this.#backlogged.has(context)) this.#remove(context);
  }

  /** Restarts at 0; no context may be backlogged. */
  restart(): void {
    if (this.#backlogged.size > 0) throw new InvariantViolation('the fluid system is not empty');
    this.#whole = 0;
    this.#fraction = 0;
    this.#tags.restart();
  }

  checkInvariants(): void {
    this.#backlogged.checkInvariants();
    if ((this.#backlogged.size === 0) !== (this.#weights === 0)) {
      throw new InvariantViolation(
        `the fluid system serves ${this.#backlogged.size} with a weight of ${this.#weights}`,
      );
    }
  }

  #remove(context: ContextId): void {
    this.#backlogged.remove(context);
    this.#weights -= this.#tags.weight(context);
  }
}
