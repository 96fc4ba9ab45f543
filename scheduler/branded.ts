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

/**
 * Makes a context number out of a number that a user, a test or a register has named.
 * @throws ParameterError unless it is a whole number >= 0.
 */
export function contextId(value: number): ContextId {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new ParameterError(`context is ${value}, expected a whole number >= 0`);
  }
  return value as ContextId;
}

/**
 * A context number that was kept as a plain number and is read back: by a typed array, in the argument of an event,
 * as the bit of a vector. Not checked, so that the packet path may use it.
 */
export function storedContextId(value: number): ContextId {
  return value as ContextId;
}

/** No context: what stands where a context number is expected and there is none. */
export const NO_CONTEXT = storedContextId(-1);

/** The lowest context number: where a loop over contexts begins. */
export const FIRST_CONTEXT = contextId(0);

/** The next context number: how a loop over contexts goes on. */
export function contextAfter(context: ContextId): ContextId {
  return (context + 1) as ContextId;
}
