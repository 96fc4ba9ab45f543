/**
 * Logarithm, exponential and arctangent that give the same bits on every machine. ECMAScript leaves `Math.log` and
 * `Math.exp` to the engine ("implementation-approximated"), and with them a run would have the fingerprint of
 * its machine. Sums, products and quotients are exact to IEEE 754 everywhere, so these are made of those.
 */

const scratch = new DataView(new ArrayBuffer(8));
const EXPONENT_BIAS = 1023;

/** Natural logarithm of a positive normal number; within 4 units in the last place. */
export function naturalLog(x: number): number {
  // x = mantissa * 2^exponent with the mantissa between sqrt(1/2) and sqrt(2), so that the series is short.
  scratch.setFloat64(0, x);
  const high = scratch.getUint32(0);
  let exponent = (high >>> 20) - EXPONENT_BIAS;
  scratch.setUint32(0, (high & 0x000f_ffff) | (EXPONENT_BIAS << 20));
  let mantissa = scratch.getFloat64(0);
  if (mantissa > Math.SQRT2) {
    mantissa /= 2;
    exponent += 1;
  }
  // ln m = 2 artanh s = 2 (s + s^3/3 + s^5/5 + ...), and s is at most 0.172: eleven terms reach 2^-53.
  const s = (mantissa - 1) / (mantissa + 1);
  const square = s * s;
  let sum = 0;
  for (let power = 21; power >= 1; power -= 2) sum = sum * square + 1 / power;
  return exponent * Math.LN2 + 2 * s * sum;
}

/** e^x for x from -700 to 700; relative error below 1e-13. */
export function exponential(x: number): number {
  // e^x = 2^k e^r with |r| at most ln 2 / 2: fifteen terms of the series reach 2^-53.
  const k = Math.round(x / Math.LN2);
  const r = x - k * Math.LN2;
  let sum = 1;
  for (let term = 15; term >= 1; term -= 1) sum = 1 + (sum * r) / term;
  scratch.setUint32(0, (k + EXPONENT_BIAS) << 20);
  scratch.setUint32(4, 0);
  return sum * scratch.getFloat64(0);
}

/** The angle from 0 to pi/2 whose tangent is `x`, at least 0; relative error below 1e-14. */
export function arctangent(x: number): number {
  // atan x = 2 atan (x / (1 + sqrt(1 + x^2))): after four halvings the angle is at most pi/32.
  let tangent = x;
  for (let halving = 0; halving < 4; halving += 1)
    tangent = tangent > 1e150 ? 1 : tangent / (1 + Math.sqrt(1 + tangent * tangent));
  const square = tangent * tangent;
  let sum = 0;
  for (let power = 17; power >= 1; power -= 2) sum = 1 / power - square * sum;
  return 16 * tangent * sum;
}
