import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Tinypool } from 'tinypool';
import type { Executor, KeyedJob } from './executor.js';
import type { Outcome } from './outcome.js';

/** Jobs that wait in a thread's queue, so that none of them idles while an outcome is written down. */
const AHEAD = 2;

/** Does jobs in threads of this process. */
export class ThreadExecutor implements Executor {
  readonly atOnce: number;
  readonly #pool: Tinypool;
  readonly #allowModules: boolean;

  /**
   * @param threads @defaultValue one per core
   * @param allowModules whether modules that scenarios name may be loaded
   */
  constructor(threads: number = availableParallelism(), allowModules = false) {
    this.#allowModules = allowModules;
    this.atOnce = threads * AHEAD;
    const fromSource = import.meta.url.endsWith('.ts');
    const entry = fromSource ? './sweep-thread-from-source.mjs' : './sweep-thread.js';
    this.#pool = new Tinypool({
      filename: fileURLToPath(new URL(entry, import.meta.url)),
      runtime: 'worker_threads',
      minThreads: threads,
      maxThreads: threads,
      concurrentTasksPerWorker: 1,
    });
  }

  run({ job }: KeyedJob): Promise<Outcome> {
    return this.#pool.run({ job, allowModules: this.#allowModules }) as Promise<Outcome>;
  }

  close(): Promise<void> {
    return this.#pool.destroy();
  }
}
