import type { Clock } from './clock.js';
import { ParameterError } from './errors.js';
import { greatestCommonDivisor } from './greatest-common-divisor.js';

/**
 * A medium that carries bytes one after the other at a fixed rate: a wire, or one direction of a PCIe link.
 *
 * The rate is kept as a reduced fraction, nanoseconds per byte, and the fraction of a nanosecond is carried
 * forward, so a million frames at 400 Gb/s end on the exact nanosecond and not on a sum of rounded ones.
 */
export class SerialLine {
  readonly rateBps: number;
  readonly #nsNumerator: number;
  readonly #nsDenominator: number;
  #freeAtNs = 0;
  #freeAtRemainder = 0;
  #carriedBytes = 0;

  /** @param rateBps bits per second, a whole number from 1 to 10^13. */
  constructor(rateBps: number) {
    if (!Number.isInteger(rateBps) || rateBps < 1 || rateBps > 1e13) {
      throw new ParameterError(
        `rateBps is ${rateBps}, expected a whole number of bits per second from 1 to 10^13`,
      );
    }
    const divisor = greatestCommonDivisor(8e9, rateBps);
    this.rateBps = rateBps;
    this.#nsNumerator = 8e9 / divisor;
    this.#nsDenominator = rateBps / divisor;
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
    return this.durationNs(this.#carriedBytes);
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
}
