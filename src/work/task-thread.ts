import { doTask, type TaskCall } from './tasks.js';

/** What a thread of the pool runs: one task, and back with what came of it. */
export default function runTask(call: TaskCall): Promise<unknown> {
  return doTask(call);
}
