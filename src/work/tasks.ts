/**
 * What a thread can be asked for, by name: plain data in, plain data out, and nothing that depends on what ran
 * before or runs beside it. Long work is cut where its pieces are independent. A task is imported when it is first
 * asked for: a thread that only runs machines does not read the experiments.
 */
export const TASKS = {
  'compare/run': async () => (await import('./run-task.js')).runTask,
  'attack/approach': async () => (await import('./attack-task.js')).playAttacks,
  'fairness/discipline': async () => (await import('./fairness-task.js')).playFairness,
  'sweep/job': async () => (await import('../sweep/do-job.js')).doJob,
  'iommu-hardware/file': async () =>
    (await import('../experiments/iommu-hardware/measure-file.js')).measureHardwareFile,
  'walk-cost/run': async () => (await import('../experiments/walk-cost/measure.js')).measureWalk,
  'cdna-2007/calibration': async () => {
    const { calibrate } = await import('../experiments/cdna-2007/calibrate.js');
    return ({ seed }: { readonly seed: number }) => calibrate(seed);
  },
  'cdna-2007/point': async () => (await import('../experiments/cdna-2007/measure.js')).measurePoint,
  'price-of-safety/price': async () =>
    (await import('../experiments/price-of-safety/measure.js')).measurePrice,
  'price-of-safety/load': async () => (await import('../experiments/price-of-safety/measure.js')).measureLoad,
  'price-of-safety/balloon': async () =>
    (await import('../experiments/price-of-safety/balloon.js')).measureBalloon,
  'nested-strict/run': async () => (await import('../experiments/nested-strict/measure.js')).measureNested,
  'strategies/workload': async () => (await import('../experiments/strategies/measure.js')).measureStrategy,
  'scaling/machine': async () => (await import('../experiments/scaling/measure.js')).runScaling,
  'scaling/unit-change': async () => (await import('../experiments/scaling/unit-changes.js')).runUnitChange,
  'isolation/run': async () => (await import('../experiments/isolation/machine.js')).sampleIsolation,
} as const;

type Tasks = typeof TASKS;
type Task<Name extends TaskName> = Awaited<ReturnType<Tasks[Name]>>;
export type TaskName = keyof Tasks;
export type TaskInput<Name extends TaskName> = Parameters<Task<Name>>[0];
export type TaskOutput<Name extends TaskName> = Awaited<ReturnType<Task<Name>>>;

/** A task on its way to a thread. */
export interface TaskCall<Name extends TaskName = TaskName> {
  readonly name: Name;
  readonly input: TaskInput<Name>;
}

/** Imports a task and does it. */
export async function doTask<Name extends TaskName>({
  name,
  input,
}: TaskCall<Name>): Promise<TaskOutput<Name>> {
  // The name selects both the task and the type of its input.
  const task = (await TASKS[name]()) as (
    input: TaskInput<Name>,
  ) => TaskOutput<Name> | Promise<TaskOutput<Name>>;
  return task(input);
}
