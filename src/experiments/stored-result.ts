import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { reproduceDocument, resultOfDocument } from './reproduce-document.js';

/** Seed of the stored results. */
export const STORED_SEED = 1;

/** What a fresh result is beside the stored one; of another seed or of a user's own data none is stored. */
export type StoredComparison = 'same' | 'different' | 'not-compared';

/** Compares a fresh result with the stored one, if it was made with the seed of that. */
export function compareWithStored(storedUrl: URL, seed: number, result: object): StoredComparison {
  if (seed !== STORED_SEED) return 'not-compared';
  // Through JSON, so that what it cannot hold (undefined) is not a difference; the order of keys is none either.
  const fresh = resultOfDocument(reproduceDocument([result]));
  return isDeepStrictEqual(fresh, readStored(storedUrl)) ? 'same' : 'different';
}

/** A stored result, as JSON has it. */
export function readStored(storedUrl: URL): object {
  return resultOfDocument(readFileSync(storedUrl, 'utf8'));
}
