import type { LabPlan } from '../plan.js';
import { presetOf } from '../presets.js';

/** A plan on a scenario of the lab. */
export function planOf(preset: string, approach: string, discipline = 'drr'): LabPlan {
  const found = presetOf(preset);
  if (found === undefined) throw new RangeError(`there is no preset ${preset}`);
  return { scenario: found.scenario, approach, discipline, seed: 1 };
}
