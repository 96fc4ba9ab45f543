import { MOST_SEED } from '../scenario/schema.js';
import { UsageError } from './cli-io.js';

/** The text that an option was given; undefined when it was not given, or has none. */
export function text(value: string | boolean | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

/** A whole number in decimal digits; undefined when the option was not given. @throws UsageError */
export function wholeNumber(
  option: string,
  given: string | undefined,
  least: number,
  most: number,
): number | undefined {
  if (given === undefined) return undefined;
  const value = Number(given);
  if (!/^\d+$/u.test(given) || value < least || value > most)
    throw new UsageError(`${option} is "${given}", expected a whole number from ${least} to ${most}`);
  return value;
}

/** The seed of a command, 1 unless given. @throws UsageError */
export function seedOf(value: string | boolean | undefined): number {
  return wholeNumber('--seed', text(value), 0, MOST_SEED) ?? 1;
}
