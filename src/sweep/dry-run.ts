import type { Executor } from './executor.js';
import type { Plan, PlannedRun } from './plan.js';

/** Number of runs that are timed, spread over the study. */
const TIMED = 4;

/** What a study would be. */
export interface DryRun {
  readonly points: number;
  readonly runs: number;
  /** Runs that the journal has already. */
  readonly finished: number;
  /** Real time that the rest takes on this machine, estimated from a few of its runs, s. */
  readonly estimatedSeconds: number;
  /** Those that were timed and could not be done. */
  readonly failures: readonly { readonly point: number; readonly error: string }[];
  /** The first rows: the settings of their runs. */
  readonly first: readonly PlannedRun[];
}

/**
 * Looks at a study without running it, but for a few runs that are timed.
 * @param now real time, ms
 */
export async function dryRun(
  plan: Plan,
  isFinished: (key: string) => boolean,
  executor: Executor,
  threads: number,
  now: () => number,
): Promise<DryRun> {
  const rest = [...plan.runs()].filter(({ key }) => !isFinished(key));
  const timed = Array.from({ length: Math.min(TIMED, rest.length) }, (_, at) =>
    rest.at(Math.floor(((at + 0.5) * rest.length) / Math.min(TIMED, rest.length))),
  ).filter((run) => run !== undefined);
  let totalMs = 0;
  // The first of a thread is slow: it loads the program.
  for (const run of timed.slice(0, 1)) await executor.run(run);
  const failures: { point: number; error: string }[] = [];
  for (const run of timed) {
    const start = now();
    const outcome = await executor.run(run);
    totalMs += now() - start;
    if ('error' in outcome) failures.push({ point: run.point.index, error: outcome.error });
  }
  const perRunMs = timed.length === 0 ? 0 : totalMs / timed.length;
  return {
    points: plan.points.length,
    runs: plan.points.length * plan.seeds.length,
    finished: plan.points.length * plan.seeds.length - rest.length,
    estimatedSeconds: (perRunMs * rest.length) / threads / 1000,
    failures,
    first: plan.points.slice(0, 5).map((point) => plan.run(point, 0)),
  };
}
