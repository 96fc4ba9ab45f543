import { UserError } from '../../scheduler/errors.js';

/** What a task came to, or why what the user asked for cannot be: between threads an error would lose its class. */
export type Refusable<T> = { readonly result: T } | { readonly refused: string };

/** Does work whose UserErrors are values. */
export async function refusable<T>(work: () => T | Promise<T>): Promise<Refusable<T>> {
  try {
    return { result: await work() };
  } catch (error) {
    if (error instanceof UserError) return { refused: error.message };
    throw error;
  }
}

/** The result. @throws UserError with the message that was carried over */
export function resultOf<T>(outcome: Refusable<T>): T {
  if ('refused' in outcome) throw new UserError(outcome.refused);
  return outcome.result;
}
