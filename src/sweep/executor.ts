import type { Outcome } from './outcome.js';
import type { Job } from './planned-run.js';

/** A job under the key by which its outcome is kept. */
export interface KeyedJob {
  readonly key: string;
  readonly job: Job;
}

/** What does jobs: threads of this machine, or workers behind a queue. Outcomes do not depend on which. */
export interface Executor {
  /** Jobs that it takes at once; one more waits for one to finish. */
  readonly atOnce: number;
  /** Does one job. Rejects when the executor fails, not when the job does: that is a `FailedOutcome`. */
  run(keyed: KeyedJob): Promise<Outcome>;
  /** Stops everything that is under way. */
  close(): Promise<void>;
}
