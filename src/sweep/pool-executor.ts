import { availableParallelism } from 'node:os';
import { makeThreads, type Workers } from '../work/workers.js';
import type { Executor, KeyedJob } from './executor.js';
import type { Outcome } from './outcome.js';
import type { Job } from './planned-run.js';

/** Jobs that wait for a thread, so that none of them idles while an outcome is written down. */
const AHEAD = 2;

/** Does jobs in threads of this process. */
export class PoolExecutor implements Executor {
  readonly atOnce: number;
  readonly #workers: Workers;
  readonly #allowModules: boolean;
  #closed = false;

  /**
   * @param threads @defaultValue one per core
   * @param allowModules whether modules that scenarios name may be loaded
   * @param workers the threads
   */
  constructor(
    threads: number = availableParallelism(),
    allowModules = false,
    workers: Workers = makeThreads(threads),
  ) {
    this.#allowModules = allowModules;
    this.atOnce = threads * AHEAD;
    this.#workers = workers;
  }

  /** Does one job, and reports one that fails for a reason of its own: the others go on. */
  async run({ job }: KeyedJob): Promise<Outcome> {
    try {
      return await this.attempt(job);
    } catch (error) {
      // A job that was ended with its thread has not failed.
      if (this.#closed) throw error;
      return { error: failureText(error), isFinal: false };
    }
  }

  /** Does one job once. @throws what the job throws, and when its thread runs out of memory */
  attempt(job: Job): Promise<Outcome> {
    return this.#workers.run('sweep/job', { job, allowModules: this.#allowModules });
  }

  close(): Promise<void> {
    this.#closed = true;
    return this.#workers.close();
  }
}

/** Why a job failed that should not have, in one line. */
export function failureText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if ('code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY') {
    return 'the run needs more memory than its thread may take';
  }
  return `${error.name}: ${error.message.split('\n')[0] ?? ''}`;
}
