import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Tinypool } from 'tinypool';
import type { TaskInput, TaskName, TaskOutput } from './tasks.js';

/** Tasks of experiments, as many at once as there are cores. A result does not depend on how many that are. */
export class Threads {
  readonly #pool: Tinypool;

  /** @param threads at most so many at once @defaultValue one a core */
  constructor(threads: number = availableParallelism()) {
    const fromSource = import.meta.url.endsWith('.ts');
    const entry = fromSource ? './task-thread-from-source.mjs' : './task-thread.js';
    this.#pool = new Tinypool({
      filename: fileURLToPath(new URL(entry, import.meta.url)),
      runtime: 'worker_threads',
      minThreads: 0,
      maxThreads: threads,
    });
  }

  /** Runs one task in a thread of its own. What it throws is thrown here, with the same message. */
  run<Name extends TaskName>(name: Name, input: TaskInput<Name>): Promise<TaskOutput<Name>> {
    return this.#pool.run({ name, input }) as Promise<TaskOutput<Name>>;
  }

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

  /** Ends all threads, whatever they are doing. */
  close(): Promise<void> {
    return this.#pool.destroy();
  }
}
