import { PoolExecutor } from '../sweep/pool-executor.js';
import { makeThreads, makeWorkers } from '../work/workers.js';
import type { SweepRequest } from './sweep-request.js';

/** What does the runs of a sweep in this process. */
export function poolOf(
  { hasThreads, allowModules, threads }: SweepRequest,
  most: number = threads,
): PoolExecutor {
  return new PoolExecutor(most, allowModules, hasThreads ? makeThreads(most) : makeWorkers(1));
}
