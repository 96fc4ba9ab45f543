import type { FinishedExperiment } from './experiment.js';
import { STORED_SEED } from './stored-result.js';

/** How results of the shipped data are beside the stored ones. */
export function storedSentence(finished: readonly FinishedExperiment[], seed: number): string {
  if (seed !== STORED_SEED) {
    return `Seed ${seed}: not compared with the stored results, which are those of seed ${STORED_SEED}.`;
  }
  const different = finished
    .filter(({ outcome }) => outcome.stored === 'different')
    .map(({ experiment }) => experiment.name);
  return different.length === 0
    ? `Nothing differs from the stored results, which are those of seed ${STORED_SEED}.`
    : `Not what the stored results say: ${different.join(', ')}.`;
}
