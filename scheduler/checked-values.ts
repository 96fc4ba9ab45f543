import { ParameterError } from './errors.js';
import { isClass, shownValue } from './shown-value.js';

/** Highest rate that a link may have, bits per second. */
const MOST_BPS = 1e13;

/** @throws ParameterError "field is value, expected what" */
export function refuseValue(field: string, value: unknown, expected: string): never {
  throw new ParameterError(`${field} is ${shownValue(value)}, expected ${expected}`);
}

/** @throws ParameterError for what is no whole number from `least` to `most` */
export function requireWhole(
  field: string,
  value: unknown,
  least: number,
  most: number = Number.MAX_SAFE_INTEGER,
): void {
  const isIn = typeof value === 'number' && Number.isSafeInteger(value) && value >= least && value <= most;
  if (isIn) return;
  const limits = most === Number.MAX_SAFE_INTEGER ? `>= ${least}` : `from ${least} to ${most}`;
  refuseValue(field, value, `a whole number ${limits}`);
}

/** @throws ParameterError for what is no rate of a link, bits per second */
export function requireRateBps(field: string, value: unknown): void {
  const isRate = typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= MOST_BPS;
  if (!isRate) refuseValue(field, value, 'a whole number of bits per second from 1 to 10^13');
}

/** @throws ParameterError for what is neither true nor false */
export function requireFlag(field: string, value: unknown): void {
  if (typeof value !== 'boolean') refuseValue(field, value, 'true or false');
}

/** @throws ParameterError for what cannot be called: a class cannot be without `new` */
export function requireFunction(field: string, value: unknown, expected: string): void {
  if (typeof value !== 'function' || isClass(value)) refuseValue(field, value, expected);
}
