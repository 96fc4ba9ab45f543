import { ParameterError } from './errors.js';

declare const brand: unique symbol;

/**
 * A number that the compiler distinguishes from other numbers: `Branded<'HostPhysical'>` cannot be passed where
 * `Branded<'GuestPhysical'>` is expected. The brand exists for the compiler only; at run time it is the number.
 * Each branded type has one function that makes it, so that every conversion can be found by name.
 */
export type Branded<Name extends string> = number & { readonly [brand]: Name };

/** Number of a context, as the scheduler and its disciplines index their tables by it. */
export type ContextId = Branded<'ContextId'>;

/** The one place where a number becomes a context. @throws ParameterError unless it is a whole number >= 0. */
export function contextId(value: number): ContextId {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new ParameterError(`context is ${value}, expected a whole number >= 0`);
  }
  return value as ContextId;
}
