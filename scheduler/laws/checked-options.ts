import { refuseValue, requireFunction, requireRateBps, requireWhole } from '../checked-values.js';
import { refuseUnknownOptions } from '../known-options.js';
import { MAX_CONTEXT_NUMBER } from './arbitraries.js';

/** How each option is looked at; each look throws a ParameterError that names the field. */
export type OptionChecks<Options> = {
  readonly [Name in keyof Required<Options>]: (field: string, value: unknown) => void;
};

/** @throws ParameterError for an option that is not known, or has a value that it must not have */
export function checkOptions<Options extends object>(
  owner: string,
  options: Options,
  checks: OptionChecks<Options>,
): void {
  refuseUnknownOptions(owner, options, checks);
  for (const name of Object.keys(checks) as (keyof Options & string)[]) {
    // Left out, or given as undefined: the default.
    if (options[name] !== undefined) checks[name](name, options[name]);
  }
}

/** Contexts have numbers of their own, and no script has fewer than two. */
export function requireContexts(field: string, value: unknown): void {
  requireWhole(field, value, 2, MAX_CONTEXT_NUMBER + 1);
}

export function requireSteps(field: string, value: unknown): void {
  requireWhole(field, value, 1);
}

export function requireShares(field: string, value: unknown): void {
  requireFunction(field, value, 'a function that makes the shares of a number of contexts');
}

export function requireRates(field: string, value: unknown): void {
  requireList(field, value);
  for (const [index, rate] of (value as readonly unknown[]).entries())
    requireRateBps(`${field}[${index}]`, rate);
}

export function requireList(field: string, value: unknown): void {
  if (!Array.isArray(value)) refuseValue(field, value, 'a list');
}

export function requireObject(field: string, value: unknown): void {
  if (typeof value !== 'object' || value === null) refuseValue(field, value, 'an object');
}
