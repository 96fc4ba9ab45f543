import { ScenarioError, scenarioErrorOf } from './scenario-error.js';
import { type Scenario, scenarioSchema } from './schema.js';

/** Checks what a scenario says. @throws ScenarioError */
export function checkScenario(input: unknown, where = 'scenario'): Scenario {
  refuseDepth(input, where);
  const result = scenarioSchema.safeParse(input);
  if (!result.success) throw scenarioErrorOf(where, scenarioSchema, input, result.error);
  return result.data;
}

/** A scenario is five levels deep; what recurses on values can take many more, but not any number. */
const MOST_LEVELS = 64;

/** @throws ScenarioError */
function refuseDepth(input: unknown, where: string): void {
  let level: unknown[] = [input];
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > MOST_LEVELS) {
      throw new ScenarioError(
        `${where}: is nested more than ${MOST_LEVELS} levels deep, expected a scenario`,
      );
    }
    const next: unknown[] = [];
    for (const value of level) {
      if (typeof value === 'object' && value !== null)
        for (const inner of Object.values(value)) next.push(inner);
    }
    level = next;
  }
}
