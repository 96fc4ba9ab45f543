import { InvariantViolation } from './errors.js';
import { present } from './present.js';
/** No event: the end of a list, an empty bucket, nothing due. */
/** In `notedNs`: before this no slot waits. */
export const EARLIEST = 0;
/** In `notedNs`: time of the slot that was taken last. */
export const TAKEN = 1;
export const NO_SLOT = -1;

const DIGIT_BITS = 8;
const BUCKETS = 2 ** DIGIT_BITS;
const DIGIT_MASK = BUCKETS - 1;
/** Seven wheels of 8 bits reach past 2^53. */
const WHEELS = 7;
/** The wheels below this one use the low 32 bits of the time, the others the bits above. */
const LOW_WHEELS = 4;
const TWO_32 = 2 ** 32;

/**
 * Orders events by (time, order of insertion) in constant time, however many there are: a hierarchical timing
 * wheel (Varghese and Lauck, "Hashed and Hierarchical Timing Wheels", SOSP 1987, scheme 7), the structure
 * behind the timers of several operating systems.
 *
 * A time is read as seven digits of 8 bits. An event waits in the wheel of the highest digit in which its time
 * differs from the cursor's, in the bucket of its own digit there. When the cursor reaches a bucket above the
 * lowest wheel, its events are moved to the wheels below; a bucket of the lowest wheel is a single instant.
 *
 * Where an event waits follows from its time and the cursor alone, so events of equal time always share a
 * bucket; buckets are first-in first-out and are moved in that order. Equal times therefore keep their
 * order without a sequence number.
 *
 * Events are numbers (slots) from 0 to the capacity, and all state is typed arrays. No time may lie before the
 * cursor. The cursor moves only in `take`, and never past the `untilNs` given there.
 */
export class TimingWheel {
  // The cursor in two signed halves, which the engine keeps in registers where a time would be a boxed double.
  #cursorHigh = 0;
  #cursorLow = 0;

  // The first slot of each bucket, and three layers of bits that find the first bucket in use: one bit per
  // bucket in #occupied, one bit per word of those in #words, one bit per wheel in #wheels. Nothing waits behind the
  // cursor, so the lowest set bit is always the right one.
  readonly #first = new Int32Array(WHEELS * BUCKETS).fill(NO_SLOT);
  readonly #occupied = new Int32Array((WHEELS * BUCKETS) / 32);
  readonly #words = new Int32Array(WHEELS);
  #wheels = 0;

  // Slots: their time and their neighbours in the bucket. The predecessor of the first is the last.
  #timeNs: Float64Array;
  #next: Int32Array;
  #previous: Int32Array;
  /** What `noteEarliest` and `take` noted, ns. Read in place: from 2^31 ns on a time that a call returns is allocated. */
  readonly notedNs = new Float64Array(2).fill(Number.POSITIVE_INFINITY);

  constructor(capacity: number) {
    this.#timeNs = new Float64Array(capacity);
    this.#next = new Int32Array(capacity);
    this.#previous = new Int32Array(capacity);
  }

  /** Grows to slots below `capacity`. */
  grow(capacity: number): void {
    const timeNs = this.#timeNs;
    const next = this.#next;
    const previous = this.#previous;
    this.#timeNs = new Float64Array(capacity);
    this.#timeNs.set(timeNs);
    this.#next = new Int32Array(capacity);
    this.#next.set(next);
    this.#previous = new Int32Array(capacity);
    this.#previous.set(previous);
  }

  /** Time of a slot that waits, or that was taken and has not been inserted since, ns. */
  timeOf(slot: number): number {
    return present(this.#timeNs[slot]);
  }

  /**
   * Inserts a slot at a time, a whole number not before the cursor, behind all that wait for that time already. The time
   * comes in two halves, `lowHalf` and `highHalf` of it: from 2^31 ns on a whole one is allocated as an argument.
   */
  insert(slot: number, low: number, high: number): void {
    this.#timeNs[slot] = high * TWO_32 + (low >>> 0);
    this.#next[slot] = NO_SLOT;
    const bucket = this.#bucketOf(low, high);
    const first = this.#first[bucket] ?? NO_SLOT;
    if (first === NO_SLOT) {
      this.#previous[slot] = slot;
      this.#first[bucket] = slot;
      this.#markOccupied(bucket);
    } else {
      const last = this.#previous[first] ?? NO_SLOT;
      this.#next[last] = slot;
      this.#previous[slot] = last;
      this.#previous[first] = slot;
    }
  }

  /** Removes a waiting slot. */
  remove(slot: number): void {
    const timeNs = present(this.#timeNs[slot]);
    const bucket = this.#bucketOf(lowHalf(timeNs), highHalf(timeNs));
    const first = this.#first[bucket] ?? NO_SLOT;
    if (slot === first) {
      this.#dropFirst(bucket, slot);
      return;
    }
    const next = this.#next[slot] ?? NO_SLOT;
    const previous = this.#previous[slot] ?? NO_SLOT;
    this.#next[previous] = next;
    this.#previous[next === NO_SLOT ? first : next] = previous;
  }

  /** Removes the earliest slot and moves the cursor to its time; NO_SLOT if it is due only after a time, given in two halves. Its time is noted as `TAKEN`. */
  take(untilLow: number, untilHigh: number): number {
    const untilNs = untilHigh * TWO_32 + (untilLow >>> 0);
    for (;;) {
      let bucket = this.#cursorLow & DIGIT_MASK;
      let slot = this.#first[bucket] ?? NO_SLOT;
      if (slot === NO_SLOT) {
        if (this.#wheels === 0) return NO_SLOT;
        bucket = this.#firstOccupied();
        slot = this.#first[bucket] ?? NO_SLOT;
        if (bucket >= BUCKETS && this.#next[slot] !== NO_SLOT) {
          if (!this.#dealOut(bucket, untilLow, untilHigh)) return NO_SLOT;
          continue;
        }
      }
      // The bucket is a single instant, or it holds one slot only: either way its first slot is the earliest.
      const timeNs = present(this.#timeNs[slot]);
      if (timeNs > untilNs) return NO_SLOT;
      this.#dropFirst(bucket, slot);
      this.#cursorLow = lowHalf(timeNs);
      this.#cursorHigh = highHalf(timeNs);
      this.notedNs[TAKEN] = timeNs;
      return slot;
    }
  }

  /** Time of the earliest slot, ns, or undefined. Moves nothing; the cost is the length of the first bucket. */
  nextTimeNs(): number | undefined {
    if (this.#wheels === 0) return undefined;
    let earliestNs = Number.POSITIVE_INFINITY;
    let slot = this.#first[this.#firstOccupied()] ?? NO_SLOT;
    while (slot !== NO_SLOT) {
      earliestNs = Math.min(earliestNs, present(this.#timeNs[slot]));
      slot = this.#next[slot] ?? NO_SLOT;
    }
    return earliestNs;
  }

  /**
   * Notes as `EARLIEST` before which time no slot waits: the start of the first bucket in use, or Infinity. Constant time.
   */
  noteEarliest(): void {
    if (this.#wheels === 0) {
      this.notedNs[EARLIEST] = Number.POSITIVE_INFINITY;
      return;
    }
    const bucket = this.#firstOccupied();
    const slot = this.#first[bucket] ?? NO_SLOT;
    const timeNs = present(this.#timeNs[slot]);
    if (this.#next[slot] === NO_SLOT || bucket < BUCKETS) {
      this.notedNs[EARLIEST] = timeNs;
      return;
    }
    // The digits of a time below that of the bucket give its position within the bucket.
    const wheel = bucket >>> DIGIT_BITS;
    const span = 2 ** (wheel * DIGIT_BITS);
    this.notedNs[EARLIEST] = Math.floor(timeNs / span) * span;
  }

  /** @throws InvariantViolation if a slot is not where its time belongs. Returns the number of waiting slots. Costs O(waiting). */
  checkInvariants(): number {
    const cursorNs = this.#cursorHigh * TWO_32 + (this.#cursorLow >>> 0);
    let count = 0;
    for (let bucket = 0; bucket < WHEELS * BUCKETS; bucket += 1) {
      const first = this.#first[bucket] ?? NO_SLOT;
      const word = bucket >>> 5;
      const occupied = (present(this.#occupied[word]) & (1 << (bucket & 31))) !== 0;
      if (occupied !== (first !== NO_SLOT))
        throw new InvariantViolation(`bucket ${bucket} and its bit disagree`);
      if (occupied && (present(this.#words[bucket >>> DIGIT_BITS]) & (1 << (word & 7))) === 0) {
        throw new InvariantViolation(`bucket ${bucket} is not found by its word`);
      }
      let previous = first === NO_SLOT ? NO_SLOT : (this.#previous[first] ?? NO_SLOT);
      for (let slot = first; slot !== NO_SLOT; slot = this.#next[slot] ?? NO_SLOT) {
        const timeNs = this.timeOf(slot);
        if (timeNs < cursorNs)
          throw new InvariantViolation(`slot ${slot} at ${timeNs} ns lies before the cursor, ${cursorNs} ns`);
        if (this.#bucketOf(lowHalf(timeNs), highHalf(timeNs)) !== bucket)
          throw new InvariantViolation(`slot ${slot} at ${timeNs} ns is in bucket ${bucket}`);
        if (this.#previous[slot] !== previous)
          throw new InvariantViolation(`the list of bucket ${bucket} is broken at slot ${slot}`);
        previous = slot;
        count += 1;
      }
      if (first !== NO_SLOT && this.#previous[first] !== previous)
        throw new InvariantViolation(`bucket ${bucket} lost its end`);
    }
    for (const [wheel, words] of this.#words.entries()) {
      if ((words !== 0) !== ((this.#wheels & (1 << wheel)) !== 0))
        throw new InvariantViolation(`wheel ${wheel} and its bit disagree`);
    }
    return count;
  }

  #bucketOf(low: number, high: number): number {
    if (high === this.#cursorHigh) {
      const wheel = (31 - Math.clz32((low ^ this.#cursorLow) | 1)) >> 3;
      return (wheel << DIGIT_BITS) | ((low >>> (wheel << 3)) & DIGIT_MASK);
    }
    const wheel = (31 - Math.clz32(high ^ this.#cursorHigh)) >> 3;
    return ((LOW_WHEELS + wheel) << DIGIT_BITS) | ((high >>> (wheel << 3)) & DIGIT_MASK);
  }

  /** Moves the cursor to the start of a bucket above the lowest wheel and moves its slots to those below. */
  #dealOut(bucket: number, untilLow: number, untilHigh: number): boolean {
    const wheel = bucket >>> DIGIT_BITS;
    const digit = bucket & DIGIT_MASK;
    let high = this.#cursorHigh;
    let low = 0;
    if (wheel < LOW_WHEELS) {
      const shift = wheel * DIGIT_BITS;
      low = (this.#cursorLow & (-BUCKETS << shift)) | (digit << shift);
    } else {
      const shift = (wheel - LOW_WHEELS) * DIGIT_BITS;
      high = (high & (-BUCKETS << shift)) | (digit << shift);
    }
    if (high > untilHigh || (high === untilHigh && low >>> 0 > untilLow >>> 0)) return false;
    this.#cursorHigh = high;
    this.#cursorLow = low;
    let slot = this.#first[bucket] ?? NO_SLOT;
    this.#first[bucket] = NO_SLOT;
    this.#markEmpty(bucket);
    while (slot !== NO_SLOT) {
      const next = this.#next[slot] ?? NO_SLOT;
      const timeNs = present(this.#timeNs[slot]);
      this.insert(slot, lowHalf(timeNs), highHalf(timeNs));
      slot = next;
    }
    return true;
  }

  #dropFirst(bucket: number, slot: number): void {
    const next = this.#next[slot] ?? NO_SLOT;
    this.#first[bucket] = next;
    if (next === NO_SLOT) this.#markEmpty(bucket);
    else this.#previous[next] = this.#previous[slot] ?? NO_SLOT;
  }

  #firstOccupied(): number {
    const wheel = lowestBit(this.#wheels);
    const word = (wheel << 3) | lowestBit(present(this.#words[wheel]));
    return (word << 5) | lowestBit(present(this.#occupied[word]));
  }

  #markOccupied(bucket: number): void {
    const word = bucket >>> 5;
    const wheel = bucket >>> DIGIT_BITS;
    this.#occupied[word] = present(this.#occupied[word]) | (1 << (bucket & 31));
    this.#words[wheel] = present(this.#words[wheel]) | (1 << (word & 7));
    this.#wheels |= 1 << wheel;
  }

  #markEmpty(bucket: number): void {
    const word = bucket >>> 5;
    const bits = present(this.#occupied[word]) & ~(1 << (bucket & 31));
    this.#occupied[word] = bits;
    if (bits !== 0) return;
    const wheel = bucket >>> DIGIT_BITS;
    const words = present(this.#words[wheel]) & ~(1 << (word & 7));
    this.#words[wheel] = words;
    if (words === 0) this.#wheels &= ~(1 << wheel);
  }
}

/** The lower 32 bits of a time, with a sign. */
function lowHalf(timeNs: number): number {
  return timeNs | 0;
}

/** The bits above them. */
function highHalf(timeNs: number): number {
  return Math.floor(timeNs / TWO_32) | 0;
}

function lowestBit(bits: number): number {
  return 31 - Math.clz32(bits & -bits);
}
