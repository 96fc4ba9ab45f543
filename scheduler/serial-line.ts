import type { Clock } from './clock.js';
import { ParameterError } from './errors.js';
import { greatestCommonDivisor } from './greatest-common-divisor.js';

/**
 * A medium that carries bytes one after the other at a rate: a wire, or one direction of a PCIe link.
 *
 * The rate is kept as a reduced fraction, nanoseconds per byte, and the fraction of a nanosecond is carried
 * forward, so a million frames at 400 Gb/s end on the exact nanosecond and not on a sum of rounded ones.
 */
export class SerialLine {
  #rateBps: number;
  #nsNumerator: number;
  #nsDenominator: number;
  #freeAtNs = 0;
  #freeAtRemainder = 0;
  #carriedBytes = 0;
  /** Bytes that have passed at earlier rates, and the time that they took, ns. */
  #earlierBytes = 0;
  #earlierNs = 0;

  /** @param rateBps bits per second, a whole number from 1 to 10^13. */
  constructor(rateBps: number) {
    const divisor = divisorOf(rateBps);
    this.#rateBps = rateBps;
    this.#nsNumerator = 8e9 / divisor;
    this.#nsDenominator = rateBps / divisor;
  }

  /** Rate of what is carried from now on, bits per second. */
  get rateBps(): number {
    return this.#rateBps;
  }

  /** First whole nanosecond at which the line is free. */
  get freeAtNs(): number {
    return this.#freeAtNs + (this.#freeAtRemainder > 0 ? 1 : 0);
  }

  /** Bytes given to the line since the start. */
  get carriedBytes(): number {
    return this.#carriedBytes;
  }

  /** Time that the line has spent (or is booked to spend) carrying bytes, ns, rounded up. */
  get busyNs(): number {
    const bytes = this.#carriedBytes - this.#earlierBytes;
    return Math.ceil(this.#earlierNs + (bytes * this.#nsNumerator) / this.#nsDenominator);
  }

  /** Time that `bytes` take on an idle line, ns, rounded up. */
  durationNs(bytes: number): number {
    return Math.ceil((bytes * this.#nsNumerator) / this.#nsDenominator);
  }

  /** In how many ns `carryIn` would end, without booking anything. */
  endsIn(clock: Clock, bytes: number, inNs: number): number {
    const { nowNs } = clock;
    const fromNs = nowNs + inNs;
    const waits = fromNs <= this.freeAtNs;
    const total = bytes * this.#nsNumerator + (waits ? this.#freeAtRemainder : 0);
    return (waits ? this.#freeAtNs : fromNs) - nowNs + Math.ceil(total / this.#nsDenominator);
  }

  /**
   * Books `bytes` behind everything booked already, not before `fromNs`; returns the time at which the last bit has
   * passed, ns rounded up. Bytes given in the nanosecond in which the line becomes free follow without
   * a gap, so that a sender that waits for `freeAtNs` loses no fraction.
   */
  carry(bytes: number, fromNs: number): number {
    if (fromNs > this.freeAtNs) {
      this.#freeAtNs = fromNs;
      this.#freeAtRemainder = 0;
    }
    this.#add(bytes);
    return this.freeAtNs;
  }

  /** As `carry`, from a time so many ns from now; returns in how many ns the last bit has passed. */
  carryIn(clock: Clock, bytes: number, inNs: number): number {
    const fromNs = clock.nowNs + inNs;
    if (fromNs > this.freeAtNs) {
      this.#freeAtNs = fromNs;
      this.#freeAtRemainder = 0;
    }
    this.#add(bytes);
    return this.freeAtNs - clock.nowNs;
  }

  #add(bytes: number): void {
    this.#carriedBytes += bytes;
    const total = bytes * this.#nsNumerator + this.#freeAtRemainder;
    const wholeNs = Math.floor(total / this.#nsDenominator);
    this.#freeAtNs += wholeNs;
    this.#freeAtRemainder = total - wholeNs * this.#nsDenominator;
  }

  /** The last `bytes` that were booked do not go as booked: the line is free at `freeAtNs`, when what is before them has passed. */
  takeBack(bytes: number, freeAtNs: number): void {
    this.#carriedBytes -= bytes;
    this.#freeAtNs = freeAtNs;
    this.#freeAtRemainder = 0;
  }

  /**
   * The line has another rate from `nowNs` on, at which what is booked and has not passed goes on. It is free at a whole
   * nanosecond then; a fraction counts in the denominator of a rate.
   *
   * @param rateBps bits per second, a whole number from 1 to 10^13.
   */
  changeRate(rateBps: number, nowNs: number): void {
    const divisor = divisorOf(rateBps);
    if (rateBps === this.#rateBps) return;
    const aheadNs = Math.max(0, this.#freeAtNs - nowNs + this.#freeAtRemainder / this.#nsDenominator);
    const aheadBytes = (aheadNs * this.#nsDenominator) / this.#nsNumerator;
    const passed = this.#carriedBytes - this.#earlierBytes - aheadBytes;
    this.#earlierNs += (passed * this.#nsNumerator) / this.#nsDenominator;
    this.#earlierBytes += passed;
    // Where the last bit passes within the nanosecond before `nowNs`, nothing is ahead, and the line is not free before that.
    this.#freeAtNs = this.freeAtNs;
    this.#freeAtRemainder = 0;
    this.#rateBps = rateBps;
    this.#nsNumerator = 8e9 / divisor;
    this.#nsDenominator = rateBps / divisor;
    if (aheadNs > 0) this.#freeAtNs = nowNs + this.durationNs(aheadBytes);
  }
}

/** @throws ParameterError for a rate that no line has. */
function divisorOf(rateBps: number): number {
  if (!Number.isInteger(rateBps) || rateBps < 1 || rateBps > 1e13) {
    throw new ParameterError(
      `rateBps is ${rateBps}, expected a whole number of bits per second from 1 to 10^13`,
    );
  }
  return greatestCommonDivisor(8e9, rateBps);
}
