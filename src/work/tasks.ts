import { calibrate } from '../experiments/cdna-2007/calibrate.js';
import { measurePoint } from '../experiments/cdna-2007/measure.js';
import { measureHardwareFile } from '../experiments/iommu-hardware/measure-file.js';
import { sampleIsolation } from '../experiments/isolation/machine.js';
import { measureBalloon } from '../experiments/price-of-safety/balloon.js';
import { measureLoad, measurePrice } from '../experiments/price-of-safety/measure.js';
import { runScaling } from '../experiments/scaling/measure.js';
import { runUnitChange } from '../experiments/scaling/unit-changes.js';
import { measureStrategy } from '../experiments/strategies/measure.js';
import { measureWalk } from '../experiments/walk-cost/measure.js';
import { measureFairness } from '../fairness/fairness-study.js';
import { doJob } from '../sweep/do-job.js';
import { playAttacks } from './attack-task.js';
import { runTask } from './run-task.js';

/**
 * What a thread can be asked for, by name: plain data in, plain data out, and nothing that depends on what ran
 * before or runs beside it. Long work is cut where its pieces are independent.
 */
export const TASKS = {
  'compare/run': runTask,
  'attack/approach': playAttacks,
  'fairness/discipline': measureFairness,
  'sweep/job': doJob,
  'iommu-hardware/file': measureHardwareFile,
  'walk-cost/run': measureWalk,
  'cdna-2007/calibration': ({ seed }: { readonly seed: number }) => calibrate(seed),
  'cdna-2007/point': measurePoint,
  'price-of-safety/price': measurePrice,
  'price-of-safety/load': measureLoad,
  'price-of-safety/balloon': measureBalloon,
  'strategies/workload': measureStrategy,
  'scaling/machine': runScaling,
  'scaling/unit-change': runUnitChange,
  'isolation/run': sampleIsolation,
} as const;

type Tasks = typeof TASKS;
export type TaskName = keyof Tasks;
export type TaskInput<Name extends TaskName> = Parameters<Tasks[Name]>[0];
export type TaskOutput<Name extends TaskName> = Awaited<ReturnType<Tasks[Name]>>;

/** A task on its way to a thread. */
export interface TaskCall<Name extends TaskName = TaskName> {
  readonly name: Name;
  readonly input: TaskInput<Name>;
}
