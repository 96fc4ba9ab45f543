// Powers of two without `Math.log2`, which ECMAScript leaves to the engine ("implementation-approximated"): where it is off
// by a bit in the last place, a logarithm that is rounded up is off by one. The exponent of a number is in its bits.

const scratch = new DataView(new ArrayBuffer(8));
const EXPONENT_BIAS = 1023;

/** The largest whole number n with 2^n <= `value`, a positive normal number. Exact on every machine. */
export function floorLog2(value: number): number {
  scratch.setFloat64(0, value);
  return ((scratch.getUint32(0) >>> 20) & 0x7ff) - EXPONENT_BIAS;
}

/** The least whole number n with 2^n >= `value`, a positive normal number. Exact on every machine. */
export function ceilLog2(value: number): number {
  const floor = floorLog2(value);
  const isPower = (scratch.getUint32(0) & 0x000f_ffff) === 0 && scratch.getUint32(4) === 0;
  return isPower ? floor : floor + 1;
}

/** The least power of two that is not less than `value`, a positive normal number. */
export function powerOfTwoFrom(value: number): number {
  return 2 ** ceilLog2(value);
}
