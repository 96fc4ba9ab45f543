import { TASKS, type TaskCall } from './tasks.js';

/** What a thread of the pool runs: one task, and back with what came of it. */
export default function runTask({ name, input }: TaskCall): unknown {
  const task = TASKS[name] as (input: unknown) => unknown;
  return task(input);
}
