import {
  type DisciplineFinding,
  type FairnessTask,
  type FindingCurves,
  measureFairness,
} from '../fairness/fairness-study.js';
import { type Refusable, refusable } from './refusable.js';

/** Measures one discipline under one workload. One of the user's own may fail in the middle of it. */
export function playFairness(task: FairnessTask): Promise<Refusable<DisciplineFinding & FindingCurves>> {
  return refusable(() => measureFairness(task));
}
