import { type ContextId, contextAfter, FIRST_CONTEXT } from '../branded.js';
import { present } from '../present.js';
import { floorLog2 } from '../whole-logarithm.js';
import { widened } from './widened.js';

/** Largest weight, and largest sum of weights, for which two tags compare exactly: products stay below 2^52. */
export const MAX_TAG_WEIGHT = 2 ** 26;

/** How a TagTable counts. */
export interface TagTableOptions {
  /** Units of virtual time per byte at weight 1. @defaultValue 256 */
  readonly unitsPerByte?: number;
  /** The clock is rebased to lower numbers once it has passed this many units. @defaultValue 2^52 */
  readonly rebaseAboveUnits?: number;
}

/**
 * Virtual time without rounding: a start tag and a finish tag per context, and a clock V.
 *
 * Virtual time counts bytes per unit of weight, in units of 1/unitsPerByte. A tag of a context of weight w is
 * kept as `whole + part / w` with 0 <= part < w, so adding `bytes / w` is exact for every weight, 1 beside 1000
 * included, and two tags are compared by cross-multiplication. A tag is rounded in one place only: when a context
 * becomes active again and its tag is taken from the clock, the fraction of which has another denominator. The error
 * is less than 1/unitsPerByte of a byte of its own service and does not accumulate.
 *
 * Overflow: a whole is a double and exact below 2^53. When the clock passes `rebaseAboveUnits`, a constant is
 * subtracted from all tags at once; tags more than half that range behind the clock (of contexts long idle)
 * become 0, which is still behind it. Differences, which are all that matters, do not change.
 */
export class TagTable {
  readonly unitsPerByte: number;
  readonly #rebaseAbove: number;
  #weight: Float64Array = new Float64Array(64);
  #startWhole: Float64Array = new Float64Array(64);
  #startPart: Float64Array = new Float64Array(64);
  #finishWhole: Float64Array = new Float64Array(64);
  #finishPart: Float64Array = new Float64Array(64);
  #clockWhole = 0;
  #clockPart = 0;
  #clockWeight = 1;
  /** V as it was when it was marked. */
  #markWhole = 0;
  #markPart = 0;
  #markWeight = 1;
  /** Largest finish tag that was remembered. */
  #latestWhole = 0;
  #latestPart = 0;
  #latestWeight = 1;
  #rebased = 0;

  constructor({ unitsPerByte = 256, rebaseAboveUnits = 2 ** 52 }: TagTableOptions = {}) {
    this.unitsPerByte = unitsPerByte;
    this.#rebaseAbove = rebaseAboveUnits;
  }

  /** Weight of a context, 0 if none was set. */
  weight(context: ContextId): number {
    return present(this.#weight[context]);
  }

  /** V, units, as a double. */
  get clock(): number {
    return this.#clockWhole + this.#clockPart / this.#clockWeight;
  }

  /** Whole units of V. */
  get clockWhole(): number {
    return this.#clockWhole;
  }

  /** Units that have been subtracted from every tag so far. */
  get rebasedUnits(): number {
    return this.#rebased;
  }

  /** Start tag, units, as a double: for display and for bounds, not for comparison. */
  start(context: ContextId): number {
    return this.startWhole(context) + present(this.#startPart[context]) / (this.#weight[context] || 1);
  }

  /** Finish tag, units, as a double. */
  finish(context: ContextId): number {
    return (
      present(this.#finishWhole[context]) + present(this.#finishPart[context]) / (this.#weight[context] || 1)
    );
  }

  /** Whole units of the start tag. */
  startWhole(context: ContextId): number {
    return present(this.#startWhole[context]);
  }

  /** Fraction of the start tag beyond whole units, in 1/weight. */
  startPart(context: ContextId): number {
    return present(this.#startPart[context]);
  }

  /** Whole units of the finish tag. */
  finishWhole(context: ContextId): number {
    return present(this.#finishWhole[context]);
  }

  /** Fraction of the finish tag beyond whole units, 0 <= fraction < 1. */
  finishFraction(context: ContextId): number {
    return present(this.#finishPart[context]) / (this.#weight[context] || 1);
  }

  /**
   * Sets the weight of a context. Bytes that it was served in advance under an earlier weight stay charged, so that
   * leaving and rejoining gains nothing.
   */
  setWeight(context: ContextId, weight: number, capacity: number): void {
    this.#weight = widened(this.#weight, capacity);
    this.#startWhole = widened(this.#startWhole, capacity);
    this.#startPart = widened(this.#startPart, capacity);
    this.#finishWhole = widened(this.#finishWhole, capacity);
    this.#finishPart = widened(this.#finishPart, capacity);
    const ahead = this.#aheadParts(context);
    this.#weight[context] = weight;
    this.#setFinish(context, ahead > 0 ? this.#clockWhole + 1 + ceilOfQuotient(ahead, weight) : 0, 0, weight);
    this.#startAtFinish(context);
  }

  /** An idle context has a frame: start = max(finish, V), rounded up; finish = start + bytes / weight. */
  begin(context: ContextId, bytes: number): void {
    if (this.hasFinished(context)) {
      const weight = this.weight(context);
      const part = Math.ceil((this.#clockPart * weight) / this.#clockWeight);
      this.#setFinish(context, this.#clockWhole, part, weight);
    }
    this.follow(context, bytes);
  }

  /** The same with V rounded down: for disciplines in which a newcomer must not start after V. */
  beginBelow(context: ContextId, bytes: number): void {
    if (this.hasFinished(context))
      this.#finishBelow(context, this.#clockWhole, this.#clockPart, this.#clockWeight);
    this.follow(context, bytes);
  }

  /** The same with V as it was when it was marked. */
  beginAtMark(context: ContextId, bytes: number): void {
    const difference = this.finishWhole(context) - this.#markWhole;
    const part = present(this.#finishPart[context]);
    if (
      difference < 0 ||
      (difference === 0 && part * this.#markWeight <= this.#markPart * this.weight(context))
    ) {
      this.#finishBelow(context, this.#markWhole, this.#markPart, this.#markWeight);
    }
    this.follow(context, bytes);
  }

  /** Remembers V. */
  markClock(): void {
    this.#markWhole = this.#clockWhole;
    this.#markPart = this.#clockPart;
    this.#markWeight = this.#clockWeight;
  }

  /** The next frame of a backlogged context: start = finish, finish = start + bytes / weight. */
  follow(context: ContextId, bytes: number): void {
    this.#startAtFinish(context);
    const weight = this.weight(context);
    const units = bytes * this.unitsPerByte;
    const whole = Math.floor(units / weight);
    const part = present(this.#finishPart[context]) + (units - whole * weight);
    this.#setFinish(context, present(this.#finishWhole[context]) + whole, part, weight);
  }

  /** The frame with a given start tag: finish = start + bytes / weight. Needs no clock. */
  place(context: ContextId, startWhole: number, startPart: number, bytes: number): void {
    this.#finishWhole[context] = startWhole;
    this.#finishPart[context] = startPart;
    this.follow(context, bytes);
  }

  /** The finish tag becomes `whole + part / weight`: what was charged beyond it goes unserved. */
  cancelTo(context: ContextId, whole: number, part: number): void {
    this.#finishWhole[context] = whole;
    this.#finishPart[context] = part;
    this.#startAtFinish(context);
  }

  /** The frame at the head goes unserved: it is not charged. */
  cancel(context: ContextId): void {
    this.#finishWhole[context] = this.startWhole(context);
    this.#finishPart[context] = present(this.#startPart[context]);
  }

  /** The finish tag becomes `units` if it is beyond. */
  capFinish(context: ContextId, units: number): void {
    if (present(this.#finishWhole[context]) < units) return;
    this.#finishWhole[context] = units;
    this.#finishPart[context] = 0;
    this.#startAtFinish(context);
  }

  /** Below, at or above 0 as the start tag of i is before, at or after that of j. */
  compareStarts(i: ContextId, j: ContextId): number {
    const difference = this.startWhole(i) - this.startWhole(j);
    if (difference !== 0) return difference;
    return this.startPart(i) * this.weight(j) - this.startPart(j) * this.weight(i);
  }

  /** The same for finish tags. */
  compareFinishes(i: ContextId, j: ContextId): number {
    const difference = this.finishWhole(i) - this.finishWhole(j);
    if (difference !== 0) return difference;
    return present(this.#finishPart[i]) * this.weight(j) - present(this.#finishPart[j]) * this.weight(i);
  }

  /** start <= V */
  hasStarted(context: ContextId): boolean {
    return this.#toClock(this.#startWhole, this.#startPart, context) <= 0;
  }

  /** start < V */
  hasStartedBefore(context: ContextId): boolean {
    return this.#toClock(this.#startWhole, this.#startPart, context) < 0;
  }

  /** finish <= V */
  hasFinished(context: ContextId): boolean {
    return this.#toClock(this.#finishWhole, this.#finishPart, context) <= 0;
  }

  /** finish < V */
  hasFinishedBefore(context: ContextId): boolean {
    return this.#toClock(this.#finishWhole, this.#finishPart, context) < 0;
  }

  /** V += bytes / totalWeight. A clock with a fraction of another denominator is rounded down first. */
  advanceClock(bytes: number, totalWeight: number): void {
    if (this.#clockWeight !== totalWeight) {
      this.#clockPart = Math.floor((this.#clockPart * totalWeight) / this.#clockWeight);
      this.#clockWeight = totalWeight;
    }
    const units = bytes * this.unitsPerByte;
    const whole = Math.floor(units / totalWeight);
    const part = this.#clockPart + (units - whole * totalWeight);
    const carry = part >= totalWeight ? 1 : 0;
    this.#clockWhole += whole + carry;
    this.#clockPart = part - carry * totalWeight;
    if (this.#clockWhole > this.#rebaseAbove) this.#rebase();
  }

  /** V = the start tag of a context. */
  setClockToStart(context: ContextId): void {
    this.#setClock(this.startWhole(context), present(this.#startPart[context]), this.weight(context));
  }

  /** V = the finish tag of a context. */
  setClockToFinish(context: ContextId): void {
    this.#setClock(
      present(this.#finishWhole[context]),
      present(this.#finishPart[context]),
      this.weight(context),
    );
  }

  /** Remembers the finish tag of a context if it is the largest so far; a new weight does not change it any more. */
  rememberFinish(context: ContextId): void {
    const difference = this.finishWhole(context) - this.#latestWhole;
    const part = present(this.#finishPart[context]);
    const isLater =
      difference > 0 ||
      (difference === 0 && part * this.#latestWeight > this.#latestPart * this.weight(context));
    if (!isLater) return;
    this.#latestWhole = this.finishWhole(context);
    this.#latestPart = part;
    this.#latestWeight = this.weight(context);
  }

  /** V = the largest finish tag that was remembered, if V is before it. */
  advanceClockToRemembered(): void {
    const difference = this.#latestWhole - this.#clockWhole;
    const isAhead =
      difference > 0 ||
      (difference === 0 && this.#latestPart * this.#clockWeight > this.#clockPart * this.#latestWeight);
    if (isAhead) this.#setClock(this.#latestWhole, this.#latestPart, this.#latestWeight);
  }

  /** V = a whole number of units. */
  setClockToWhole(units: number): void {
    this.#setClock(units, 0, 1);
  }

  /** V = whole + fraction, for a clock that is kept elsewhere; the fraction is cut after 26 bits. */
  setClockTo(whole: number, fraction: number): void {
    this.#setClock(whole, Math.floor(fraction * MAX_TAG_WEIGHT), MAX_TAG_WEIGHT);
  }

  /** All tags and the clock become 0. O(n), for a clock that restarts when all contexts are idle. */
  restart(): void {
    for (const column of [this.#startWhole, this.#startPart, this.#finishWhole, this.#finishPart])
      column.fill(0);
    this.#setClock(0, 0, 1);
  }

  /**
   * How far the finish tag of a context is ahead of V, in units of its own service, rounded up; 0 or less if V has passed
   * it. In whole numbers throughout: the products stay below 2^53.
   */
  #aheadParts(context: ContextId): number {
    const weight = this.weight(context);
    if (weight === 0) return 0;
    const tag = (this.finishWhole(context) - this.#clockWhole) * weight + present(this.#finishPart[context]);
    const clock = this.#clockPart * weight;
    return tag - (clock - (clock % this.#clockWeight)) / this.#clockWeight;
  }

  #setClock(whole: number, part: number, weight: number): void {
    this.#clockWhole = whole;
    this.#clockPart = part;
    this.#clockWeight = weight;
    if (whole > this.#rebaseAbove) this.#rebase();
  }

  #finishBelow(context: ContextId, whole: number, part: number, partWeight: number): void {
    const weight = this.weight(context);
    this.#setFinish(context, whole, Math.floor((part * weight) / partWeight), weight);
  }

  #setFinish(context: ContextId, whole: number, part: number, weight: number): void {
    const carry = part >= weight ? 1 : 0;
    this.#finishWhole[context] = whole + carry;
    this.#finishPart[context] = part - carry * weight;
  }

  #startAtFinish(context: ContextId): void {
    this.#startWhole[context] = present(this.#finishWhole[context]);
    this.#startPart[context] = present(this.#finishPart[context]);
  }

  /** Below, at or above 0 as a tag is before, at or after the clock. */
  #toClock(whole: Float64Array, part: Float64Array, context: ContextId): number {
    const difference = present(whole[context]) - this.#clockWhole;
    if (difference !== 0) return difference;
    return present(part[context]) * this.#clockWeight - this.#clockPart * this.weight(context);
  }

  #rebase(): void {
    // A power of two, so that tags rounded to powers of two (QFQ) keep their positions.
    const base = 2 ** floorLog2(this.#rebaseAbove / 2);
    this.#clockWhole -= base;
    this.#markWhole -= base;
    this.#latestWhole -= base;
    this.#rebased += base;
    lower(this.#startWhole, this.#startPart, base);
    lower(this.#finishWhole, this.#finishPart, base);
  }
}

/** Smallest whole number that is not below a quotient of whole numbers; a rounded division might land on the other side. */
function ceilOfQuotient(above: number, below: number): number {
  const rest = above % below;
  return (above - rest) / below + (rest > 0 ? 1 : 0);
}

function lower(whole: Float64Array, part: Float64Array, base: number): void {
  for (let context = FIRST_CONTEXT; context < whole.length; context = contextAfter(context)) {
    const left = present(whole[context]) - base;
    whole[context] = Math.max(0, left);
    if (left < 0) part[context] = 0;
  }
}
