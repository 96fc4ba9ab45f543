import type { LabPlan } from '../../../src/lab/plan.js';
import { presetOf } from '../../../src/lab/presets.js';
import { protectionOf } from '../../../src/machine/protection.js';
import { runScenario } from '../../../src/machine/run.js';
import { checkScenario } from '../../../src/scenario/check.js';

/** What the page begins with. */
export const defaultPlan: LabPlan = {
  scenario: presetOf('three-guests')?.scenario ?? { guests: [{}] },
  approach: 'cdna',
  discipline: 'drr',
  seed: 1,
};

/** The fingerprint of a run in one piece, as the command line makes it. */
export function straight(
  { scenario: input, approach, discipline, seed }: LabPlan,
  durationNs: number,
): string {
  const scenario = checkScenario(input);
  return runScenario({
    scenario,
    directory: '',
    captures: new Map(),
    protection: protectionOf(approach, scenario),
    discipline,
    seed,
    durationNs,
  }).fingerprint;
}
