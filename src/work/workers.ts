import { fileURLToPath } from 'node:url';
import { Tinypool } from 'tinypool';
import { doTask, type TaskInput, type TaskName, type TaskOutput } from './tasks.js';
import { THREAD_ENTRY } from './thread-entry.js';

/** What computes the tasks of long work. The results do not depend on how many tasks run at once. */
export abstract class Workers {
  /** Runs one task. What it throws is thrown here, with the same message. */
  abstract run<Name extends TaskName>(name: Name, input: TaskInput<Name>): Promise<TaskOutput<Name>>;

  /** Ends at once, whatever is being done. */
  abstract close(): Promise<void>;

  /** Runs a task for each input; the outputs are in the order of the inputs. */
  async each<Name extends TaskName>(
    name: Name,
    inputs: readonly TaskInput<Name>[],
    done: (finished: number) => void = () => undefined,
  ): Promise<TaskOutput<Name>[]> {
    let finished = 0;
    return Promise.all(
      inputs.map(async (input) => {
        const output = await this.run(name, input);
        finished += 1;
        done(finished);
        return output;
      }),
    );
  }
}

/**
 * @param jobs at most so many tasks at once, a thread each; with one they run here, one after the other
 * @param pause called between tasks that run here: lets signals in, and throws when work is to end
 */
export function makeWorkers(jobs: number, pause: () => Promise<void> = async () => undefined): Workers {
  return jobs > 1 ? new Threads(jobs) : new InThisThread(pause);
}

/**
 * So many threads that stay between tasks: for work whose tasks come one by one, or beside which this thread must not
 * stand still.
 */
export function makeThreads(threads: number): Workers {
  return new Threads(threads, threads);
}

class Threads extends Workers {
  readonly #pool: Tinypool;

  /** @param least threads that are kept when there is nothing to do */
  constructor(threads: number, least = 0) {
    super();
    this.#pool = new Tinypool({
      filename: fileURLToPath(THREAD_ENTRY),
      runtime: 'worker_threads',
      minThreads: least,
      maxThreads: threads,
    });
  }

  run<Name extends TaskName>(name: Name, input: TaskInput<Name>): Promise<TaskOutput<Name>> {
    return this.#pool.run({ name, input }) as Promise<TaskOutput<Name>>;
  }

  close(): Promise<void> {
    return this.#pool.destroy();
  }
}

class InThisThread extends Workers {
  readonly #pause: () => Promise<void>;
  /** Tasks wait for the one before them. */
  #last: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  constructor(pause: () => Promise<void>) {
    super();
    this.#pause = pause;
  }

  run<Name extends TaskName>(name: Name, input: TaskInput<Name>): Promise<TaskOutput<Name>> {
    const pause = this.#last.then(() => this.#pause());
    const turn = pause.then(() => {
      if (this.#isClosed) throw new Error('the work was ended');
      return doTask({ name, input });
    });
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
  }
}
