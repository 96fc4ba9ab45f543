import { LawBroken } from '../../../scheduler/laws/index.js';

/** The law that a check finds broken, or `no law`. */
export function lawBrokenBy(check: () => unknown): string {
  return caughtBy(check)?.law ?? 'no law';
}

/** What a check throws. */
export function caughtBy(check: () => unknown): LawBroken | undefined {
  try {
    check();
  } catch (error) {
    if (error instanceof LawBroken) return error;
    throw error;
  }
  return undefined;
}
