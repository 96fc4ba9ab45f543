import type { Journal } from './journal.js';

/** Jobs that could not be done. */
export interface Failures {
  readonly count: number;
  /** Why the first of them could not; empty when there is none. */
  readonly reason: string;
}

/** What could not be done of some jobs, each counted once however often it is named. */
export function failuresOf(jobs: Iterable<{ readonly key: string }>, journal: Journal): Failures {
  const seen = new Set<string>();
  let count = 0;
  let reason = '';
  for (const { key } of jobs) {
    const outcome = seen.has(key) ? undefined : journal.outcome(key);
    seen.add(key);
    if (outcome === undefined || !('error' in outcome)) continue;
    if (count === 0) reason = outcome.error;
    count += 1;
  }
  return { count, reason };
}

/** The failures as the end of a sentence that counts runs. */
export function failuresText({ count, reason }: Failures): string {
  return count === 0 ? '' : `, ${count} could not be done (the first: ${reason})`;
}
