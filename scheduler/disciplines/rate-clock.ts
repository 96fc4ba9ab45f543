import type { ContextId } from '../branded.js';
import { ParameterError } from '../errors.js';
import { greatestCommonDivisor } from '../greatest-common-divisor.js';
import { present } from '../present.js';
import { widened } from './widened.js';

/**
 * For each context the instant up to which its rate is used up: the "theoretical arrival time" of the generic
 * cell rate algorithm (ITU-T I.371), which is a token bucket counted in time instead of bytes. A frame of n
 * bytes advances it by n * 8 / rate, kept as whole nanoseconds and a fraction with the rate as denominator, so
 * that no rate is rounded. Precomputed for a rate: the greatest common divisor is divided out once, in `setRate`.
 */
export class RateClock {
  #nsNumerator: Float64Array = new Float64Array(64);
  #nsDenominator: Float64Array = new Float64Array(64);
  #whole: Float64Array = new Float64Array(64);
  #part: Float64Array = new Float64Array(64);
  /** The rate in which the clock was kept until `setRate`, as long as `settle` has not converted it; 0 for none. */
  #oldNumerator: Float64Array = new Float64Array(64);
  #oldDenominator: Float64Array = new Float64Array(64);

  /**
   * Sets the rate of a context. Bytes that it sent in advance under an earlier rate stay charged: `settle` converts them.
   *
   * @param rateBps bits per second, a whole number from 1 to 10^13, or undefined for no rate. */
  setRate(field: string, context: ContextId, rateBps: number | undefined, capacity: number): void {
    this.#nsNumerator = widened(this.#nsNumerator, capacity);
    this.#nsDenominator = widened(this.#nsDenominator, capacity);
    this.#whole = widened(this.#whole, capacity);
    this.#part = widened(this.#part, capacity);
    this.#oldNumerator = widened(this.#oldNumerator, capacity);
    this.#oldDenominator = widened(this.#oldDenominator, capacity);
    if (this.#oldNumerator[context] === 0 && this.hasRate(context)) {
      this.#oldNumerator[context] = this.#numerator(context);
      this.#oldDenominator[context] = this.#denominator(context);
    }
    this.#nsNumerator[context] = 0;
    this.#nsDenominator[context] = 1;
    if (rateBps === undefined) return;
    if (!Number.isInteger(rateBps) || rateBps < 1 || rateBps > 1e13) {
      throw new ParameterError(
        `${field} of context ${context} is ${rateBps}, expected a whole number of bits per second from 1 to 10^13`,
      );
    }
    const divisor = greatestCommonDivisor(8e9, rateBps);
    this.#nsNumerator[context] = 8e9 / divisor;
    this.#nsDenominator[context] = rateBps / divisor;
  }

  hasRate(context: ContextId): boolean {
    return present(this.#nsNumerator[context]) > 0;
  }

  /** After `setRate`, as soon as the time is known: what was sent in advance is carried over, rounded up to a byte. */
  settle(context: ContextId, nowNs: number): void {
    const oldNumerator = present(this.#oldNumerator[context]);
    if (oldNumerator === 0 || !this.hasRate(context)) return;
    const oldDenominator = this.#oldDenominator[context] ?? 1;
    this.#oldNumerator[context] = 0;
    if (oldNumerator === this.#numerator(context) && oldDenominator === this.#denominator(context)) return;
    const aheadNs = present(this.#whole[context]) - nowNs + present(this.#part[context]) / oldDenominator;
    this.#whole[context] = nowNs;
    this.#part[context] = 0;
    if (aheadNs > 0) this.spend(context, Math.ceil((aheadNs * oldDenominator) / oldNumerator));
  }

  /** Time that `bytes` take at the rate, ns, rounded up. */
  durationNs(context: ContextId, bytes: number): number {
    return Math.ceil((bytes * this.#numerator(context)) / this.#denominator(context));
  }

  /** The rate is used up to here, ns rounded up, if `bytes` more were sent. */
  afterNs(context: ContextId, bytes: number): number {
    const part = present(this.#part[context]) + bytes * this.#numerator(context);
    return present(this.#whole[context]) + Math.ceil(part / this.#denominator(context));
  }

  /** Idle time is not saved: the clock is not before `nowNs`. */
  notBefore(context: ContextId, nowNs: number): void {
    if (present(this.#whole[context]) >= nowNs) return;
    this.#whole[context] = nowNs;
    this.#part[context] = 0;
  }

  /** `bytes` were sent. */
  spend(context: ContextId, bytes: number): void {
    const part = present(this.#part[context]) + bytes * this.#numerator(context);
    const whole = Math.floor(part / this.#denominator(context));
    this.#whole[context] = present(this.#whole[context]) + whole;
    this.#part[context] = part - whole * this.#denominator(context);
  }

  #numerator(context: ContextId): number {
    return present(this.#nsNumerator[context]);
  }

  #denominator(context: ContextId): number {
    return this.#nsDenominator[context] ?? 1;
  }
}
