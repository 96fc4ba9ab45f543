import type { Executor, KeyedJob } from './executor.js';
import type { Journal } from './journal.js';

/** How far a sweep is. */
export interface SweepProgress {
  /** Jobs that are finished, those of earlier calls and those that come twice included. */
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
  const underWay = new Set<string>();
  const seen = new Set<string>();
  let finished = 0;
  let done = 0;
  let failed = 0;
  let failure: { readonly error: unknown } | undefined;
  let wake: () => void = () => undefined;
  // One that waits for any of them: a race of their promises would hold on to every one that was ever raced.
  const settle = async () => {
    await new Promise<void>((resolve) => {
      wake = resolve;
      if (failure !== undefined) resolve();
    });
    signal?.throwIfAborted();
    if (failure !== undefined) throw failure.error;
  };
  for (const { key, job } of jobs) {
    if (seen.has(key) || journal.has(key)) {
      finished += 1;
      continue;
    }
    seen.add(key);
    while (underWay.size >= executor.atOnce) await settle();
    signal?.throwIfAborted();
    underWay.add(key);
    executor
      .run({ key, job })
      .then((outcome) => {
        if (signal?.aborted === true) return;
        journal.add(key, outcome);
        underWay.delete(key);
        finished += 1;
        done += 1;
        if ('error' in outcome) failed += 1;
        progress({ finished, done, failed });
      })
      .catch((error: unknown) => {
        failure ??= { error };
      })
      .finally(() => wake());
  }
  while (underWay.size > 0) await settle();
  signal?.throwIfAborted();
  return { finished, done, failed };
}
