/**
 * Seed of the script with the number `run` of a check: 32 bits. Seed and number are mixed, so that checks with
 * neighbouring seeds do not draw each other's scripts, as they would with `seed + run`.
 */
export function seedOfScript(seed: number, run: number): number {
  return mixed(mixed(seed | 0) + run);
}

/** A permutation of 32-bit numbers in which each bit depends on all: the finalizer of MurmurHash3 (Appleby, public domain). */
function mixed(value: number): number {
  let bits = (value + 0x9e3779b9) | 0;
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return bits ^ (bits >>> 16);
}
