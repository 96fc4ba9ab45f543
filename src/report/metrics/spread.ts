/** What runs with several seeds gave. */
export interface Spread {
  readonly mean: number;
  readonly least: number;
  readonly most: number;
}

/** With so many decimals, and without the sign that rounding leaves on a zero. */
export function plainText(value: number, digits: number): string {
  return value.toFixed(digits).replace(/^-(0(\.0+)?)$/u, '$1');
}

/** `12.3 (12.1-12.5)`; the mean alone where all seeds gave the same. */
export function spreadText({ mean, least, most }: Spread, digits = 1): string {
  const [low, high] = [plainText(least, digits), plainText(most, digits)];
  if (low === high) return plainText(mean, digits);
  return `${plainText(mean, digits)} (${low}${least < 0 ? ' to ' : '-'}${high})`;
}

/** `12 to 34`, from the least to the most; one number where they are the same. */
export function spanText(values: readonly number[], digits = 0): string {
  const low = plainText(Math.min(...values), digits);
  const high = plainText(Math.max(...values), digits);
  return low === high ? low : `${low} to ${high}`;
}

/** The same with every value divided by `divisor`. */
export function scaleSpread({ mean, least, most }: Spread, divisor: number): Spread {
  return { mean: mean / divisor, least: least / divisor, most: most / divisor };
}
