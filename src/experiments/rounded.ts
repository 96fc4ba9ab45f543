import type { Spread } from '../report/metrics/spread.js';

/** To four places; adding zero makes a minus zero, which JSON cannot carry, a zero. */
export function rounded(value: number): number {
  return Math.round(value * 1e4) / 1e4 + 0;
}

/** A spread whose three numbers are rounded. */
export function roundedSpread({ mean, least, most }: Spread): Spread {
  return { mean: rounded(mean), least: rounded(least), most: rounded(most) };
}
