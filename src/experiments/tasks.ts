import { reproduceCdna2007 } from './cdna-2007/reproduce.js';
import { measureHardwareFile } from './iommu-hardware/measure-file.js';
import { measureIsolation } from './isolation/reproduce.js';
import { measureBalloon } from './price-of-safety/balloon.js';
import { measureLoad, measurePrice } from './price-of-safety/measure.js';
import { runScaling } from './scaling/reproduce.js';
import { runUnitChange } from './scaling/unit-changes.js';
import { measureStrategy } from './strategies/measure.js';
import { measureSetting } from './walk-cost/reproduce.js';

/**
 * What a thread can be asked for, by name: plain data in, plain data out, and nothing that depends on what ran
 * before or runs beside it. An experiment is cut where its pieces are independent.
 */
export const TASKS = {
  'iommu-hardware/file': measureHardwareFile,
  'walk-cost/setting': measureSetting,
  'cdna-2007/all': ({ seed }: { readonly seed: number }) => reproduceCdna2007(seed),
  'price-of-safety/price': measurePrice,
  'price-of-safety/load': measureLoad,
  'price-of-safety/balloon': measureBalloon,
  'strategies/workload': measureStrategy,
  'scaling/machine': runScaling,
  'scaling/unit-change': runUnitChange,
  'isolation/approach': measureIsolation,
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
