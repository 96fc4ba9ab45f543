import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/**
 * A task of bench/tasks in a separate process: for figures that a process which has measured other things before
 * can no longer give (its heap, its peak memory, functions compiled for one approach alone). It answers questions,
 * one at a time, so that two of them can be asked alternately and see the same state of the host.
 */
export class Child {
  readonly #process: ChildProcess;
  readonly #name: string;

  /**
   * @param task file name in bench/tasks, without its ending
   * @param flags for node, e.g. `--expose-gc`
   */
  constructor(task: string, flags: readonly string[] = []) {
    this.#name = task;
    const script = fileURLToPath(new URL(`./tasks/${task}.ts`, import.meta.url));
    const execArgv = [...flags, '--import', import.meta.resolve('tsx')];
    this.#process = fork(script, { execArgv, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  }

  /** @throws Error when the task ends instead of answering. */
  async ask<Answer>(question: unknown): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const ended = (status: number | null, signal: NodeJS.Signals | null) => {
        reject(new Error(`bench task ${this.#name} ended with ${signal ?? `status ${status}`}`));
      };
      this.#process.once('exit', ended);
      this.#process.once('message', (answer) => {
        this.#process.off('exit', ended);
        resolve(answer as Answer);
      });
      this.#process.send(question as object);
    });
  }

  /** Ends the task: no more questions follow. */
  close(): void {
    if (this.#process.connected) this.#process.disconnect();
  }
}

/** One question to a fresh process. */
export async function askOnce<Answer>(
  task: string,
  question: unknown,
  flags: readonly string[] = [],
): Promise<Answer> {
  const child = new Child(task, flags);
  try {
    return await child.ask<Answer>(question);
  } finally {
    child.close();
  }
}

/** What a file of bench/tasks does: answers each question until the bench hangs up. */
export function answer<Question>(reply: (question: Question) => unknown): void {
  process.on('message', async (question) => {
    process.send?.(await reply(question as Question));
  });
}
