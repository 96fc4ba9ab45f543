import { type DryRun, dryRun } from '../sweep/dry-run.js';
import type { Plan } from '../sweep/plan.js';
import { dryRunDocument } from '../sweep/sweep-documents.js';
import type { CliIo } from './cli-io.js';
import { progressClockMs } from './progress-clock.js';
import { poolOf } from './sweep-pool.js';
import { durationText } from './sweep-progress.js';
import type { SweepRequest } from './sweep-request.js';

/** Prints what a study would be: how many runs, how long, and the first rows. */
export async function showDryRun(
  plan: Plan,
  isFinished: (key: string) => boolean,
  request: SweepRequest,
  io: CliIo,
): Promise<0> {
  const { threads, json } = request;
  const executor = poolOf(request, 1);
  try {
    const found = await dryRun(plan, isFinished, executor, threads, progressClockMs);
    io.out(json ? dryRunDocument(found) : textOf(plan, found, threads));
    return 0;
  } finally {
    await executor.close();
  }
}

function textOf(
  plan: Plan,
  { points, runs, finished, estimatedSeconds, failures, first }: DryRun,
  threads: number,
): string {
  const done = finished === 0 ? '' : `, ${finished} of them finished already`;
  const time = durationText(estimatedSeconds * 1000);
  const lines = [
    `${points} points, ${runs} runs${done}, about ${time} on ${threads} ${threads === 1 ? 'thread' : 'threads'}`,
    '',
  ];
  for (const { point, seed } of first) {
    const values = plan.variables.map(({ column }, at) => `${column} ${JSON.stringify(point.values[at])}`);
    lines.push(`${point.index}: ${[...values, `seed ${seed}`].join(', ')}`);
  }
  for (const { point, error } of failures) lines.push(`point ${point} could not be done: ${error}`);
  return `${lines.join('\n')}\n`;
}
