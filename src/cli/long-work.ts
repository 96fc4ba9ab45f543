import { availableParallelism } from 'node:os';
import { makeWorkers, type Workers } from '../work/workers.js';
import type { CliIo } from './cli-io.js';
import type { GivenOptions } from './commands/entry.js';
import type { Interruption } from './interruption.js';
import { text, wholeNumber } from './options.js';
import { ProgressLine } from './progress.js';

/** What long work of a command is given: worker threads, and a place for progress. */
export interface LongWork {
  readonly workers: Workers;
  /** Shows progress on a terminal. */
  readonly show: (progress: string) => void;
}

/** How many tasks run at once. @throws UsageError */
export function jobsOf(options: GivenOptions, io: CliIo): number {
  return wholeNumber('--jobs', text(options.jobs), 1, 1024) ?? io.jobs ?? availableParallelism();
}

/**
 * Does long work: its tasks run in threads, progress is one line that is cleared in the end, and a signal ends
 * everything at once.
 * @throws Interrupted
 */
export async function longWork<T>(
  io: CliIo,
  jobs: number,
  interruption: Interruption,
  work: (long: LongWork) => Promise<T>,
): Promise<T> {
  const line = new ProgressLine(io);
  const workers = makeWorkers(jobs, () => interruption.breathe());
  try {
    // Threads receive no signals; they are ended below, whatever they are doing.
    return await interruption.cutShort(work({ workers, show: (progress) => line.show(progress) }));
  } finally {
    line.clear();
    await workers.close();
  }
}
