import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';

/** Seed of the stored results. */
export const STORED_SEED = 1;

/** Whether a fresh document is what a stored one says; one that was made with another seed is not compared. */
export function isAsStored(storedUrl: URL, seed: number, document: object): boolean {
  if (seed !== STORED_SEED) return true;
  const stored: unknown = JSON.parse(readFileSync(storedUrl, 'utf8'));
  // Through JSON, so that what it cannot hold (undefined) is not a difference; the order of keys is none either.
  return isDeepStrictEqual(JSON.parse(JSON.stringify(document)), stored);
}
