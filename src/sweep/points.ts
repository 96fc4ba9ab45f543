import type { TaskInput, TaskName, TaskOutput } from '../work/tasks.js';
import type { Workers } from '../work/workers.js';
import { runSeeds } from './seeds.js';

/** Tasks that measure one point with one seed. */
export type SeededTask = {
  [Name in TaskName]: TaskInput<Name> extends { readonly seed: number } ? Name : never;
}[TaskName];

/** The input of such a task besides its seed. */
export type PointInput<Name extends SeededTask> = Omit<TaskInput<Name>, 'seed'>;

/** Seeds of a sweep over points: so many, made from a first one. */
export interface PointSeeds {
  readonly seed: number;
  readonly seeds: number;
}

/**
 * Sweeps points that code of their own measures, where a scenario does not say what is to be known: each point with each
 * seed is a job of its own, so that no core is without work. All points have the same seeds.
 *
 * @param done called after each job with how many of all are finished
 * @returns what each point gave, in the order of the points, one per seed in their order
 */
export async function sweepPoints<Name extends SeededTask>(
  workers: Workers,
  name: Name,
  points: readonly PointInput<Name>[],
  { seed, seeds }: PointSeeds,
  done: (finished: number, of: number) => void = () => undefined,
): Promise<TaskOutput<Name>[][]> {
  const jobs = points.flatMap((point) =>
    runSeeds(seed, seeds).map((own) => ({ ...point, seed: own }) as TaskInput<Name>),
  );
  const outputs = await workers.each(name, jobs, (finished) => done(finished, jobs.length));
  return points.map((_, at) => outputs.slice(at * seeds, (at + 1) * seeds));
}
