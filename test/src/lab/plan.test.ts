import { describe, expect, it } from 'vitest';
import { checkPlan, type LabPlan, plansOf } from '../../../src/lab/plan.js';
import type { ScenarioInput } from '../../../src/scenario/schema.js';

const shown: LabPlan[] = ['cdna', 'none'].map((approach) => ({
  scenario: { guests: [{}] },
  approach,
  discipline: 'drr',
  seed: 1,
}));

describe('a scenario that is brought to the page', () => {
  it('is run as it says: approach, discipline and seed, of the first machine', () => {
    const scenario: ScenarioInput = {
      guests: [{}, {}],
      protection: 'iommu:deferred',
      discipline: 'wf2q+',
      seed: 7,
    };
    expect(plansOf(scenario, shown)).toEqual([
      { scenario, approach: 'iommu:deferred', discipline: 'wf2q+', seed: 7 },
      { scenario, approach: 'none', discipline: 'drr', seed: 7 },
    ]);
  });

  it('leaves what it does not say as it is', () => {
    const scenario: ScenarioInput = { guests: [{}] };
    expect(plansOf(scenario, shown)).toEqual(shown.map((plan) => ({ ...plan, scenario })));
  });

  it('is refused in one line where it names modules, or is no scenario at all', () => {
    const refusal = (scenario: unknown) => {
      try {
        for (const plan of plansOf(scenario as ScenarioInput, shown)) checkPlan(plan);
        return undefined;
      } catch (error) {
        return (error as Error).message;
      }
    };
    expect(refusal({ guests: [{}], protection: './mine.ts' })).toBe(
      'scenario: protection is "./mine.ts", a module; expected a name: the lab runs no code that a file names',
    );
    for (const scenario of [null, 5, 'guests', [], {}, { guests: [{}], seed: 'x' }])
      expect(refusal(scenario)).toMatch(/^scenario: [^\n]+$/u);
  });
});
