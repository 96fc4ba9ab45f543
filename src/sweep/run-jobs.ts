import type { Executor, KeyedJob } from './executor.js';
import type { Journal } from './journal.js';

/** How far a sweep is. */
export interface SweepProgress {
  /** Jobs that are finished, those of earlier calls included. */
  readonly finished: number;
  /** Jobs that this call finished. */
  readonly done: number;
  readonly failed: number;
}

/**
 * Does every job that the journal does not have yet, as many at once as the executor takes, and writes each outcome
 * down as it comes. Never holds more than those under way.
 *
 * @param jobs in any order; a key that comes twice is done once
 * @throws what the executor or the journal throws; outcomes up to then are in the journal
 */
export async function runJobs(
  jobs: Iterable<KeyedJob>,
  executor: Executor,
  journal: Journal,
  progress: (now: SweepProgress) => void = () => undefined,
  signal?: AbortSignal,
): Promise<SweepProgress> {
  const underWay = new Map<string, Promise<void>>();
  let finished = 0;
  let done = 0;
  let failed = 0;
  const seen = new Set<string>();
  const settle = () => Promise.race(underWay.values());
  for (const { key, job } of jobs) {
    if (seen.has(key)) continue;
    seen.add(key);
    if (journal.has(key)) {
      finished += 1;
      continue;
    }
    while (underWay.size >= executor.atOnce) await settle();
    signal?.throwIfAborted();
    const work = executor.run({ key, job }).then((outcome) => {
      journal.add(key, outcome);
      underWay.delete(key);
      finished += 1;
      done += 1;
      if ('error' in outcome) failed += 1;
      progress({ finished, done, failed });
    });
    // A failure is met by the next `settle`; until then it is not an unhandled one.
    work.catch(() => undefined);
    underWay.set(key, work);
  }
  while (underWay.size > 0) await settle();
  signal?.throwIfAborted();
  return { finished, done, failed };
}
