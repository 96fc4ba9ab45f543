import { APPROACHES, approachExpected } from '../../host/protection/approaches.js';
import { UserError } from '../../scheduler/errors.js';
import { disciplineOf } from '../machine/entitlements.js';
import { checkScenario } from '../scenario/check.js';
import { isModulePath } from '../scenario/module-path.js';
import { MOST_SEED, type Scenario, type ScenarioInput } from '../scenario/schema.js';
import { MOST_LAB_GUESTS } from './limits.js';

/** Virtual time of a lab run whose scenario names none, ns: longer than a session lasts. */
const LAB_DURATION_NS = 60_000_000_000;
/** What decides a run of the lab to the last byte: nothing else does. */
export interface LabPlan {
  readonly scenario: ScenarioInput;
  /** Name of an approach. */
  readonly approach: string;
  /** Name of a discipline. */
  readonly discipline: string;
  readonly seed: number;
}

/**
 * Plans of a scenario that was brought, in place of those that are shown. What the file says of approach, discipline and
 * seed is taken: the first machine is the one that it describes, and two machines share their seed. A module is left to
 * `checkPlan`, which refuses it.
 */
export function plansOf(scenario: ScenarioInput, shown: readonly LabPlan[]): LabPlan[] {
  const { protection, discipline, seed } = scenario ?? {};
  const named = (name: unknown): name is string => typeof name === 'string' && !isModulePath(name);
  return shown.map((plan, machine) => ({
    ...plan,
    scenario,
    ...(typeof seed === 'number' ? { seed } : {}),
    ...(machine === 0 && named(protection) ? { approach: protection } : {}),
    ...(machine === 0 && named(discipline) ? { discipline } : {}),
  }));
}

/** A plan that has been checked, with the scenario's defaults filled in. */
export interface CheckedPlan {
  readonly plan: LabPlan;
  readonly scenario: Scenario;
  /** End of the run, ns. The lab shows a warm-up like all else, so it counts as part of the run. */
  readonly endNs: number;
}

/**
 * Checks a plan that came from a link, a file or a knob.
 * @throws UserError that names the field, its value and what was expected; modules are never loaded
 */
export function checkPlan(plan: LabPlan): CheckedPlan {
  const scenario = checkScenario(plan.scenario);
  for (const field of ['protection', 'discipline'] as const) {
    const named = scenario[field];
    if (named !== undefined && isModulePath(named)) refuseModule(`scenario: ${field}`, named);
  }
  const { approach, discipline, seed } = plan;
  if (!APPROACHES.some(({ name }) => name === approach)) {
    if (isModulePath(approach)) refuseModule('approach', approach);
    throw new UserError(`approach is ${JSON.stringify(approach)}, ${approachExpected(approach, APPROACHES)}`);
  }
  if (isModulePath(discipline)) refuseModule('discipline', discipline);
  disciplineOf(scenario, discipline)();
  if (!Number.isInteger(seed) || seed < 0 || seed > MOST_SEED) {
    throw new UserError(`seed is ${seed}, expected a whole number from 0 to ${MOST_SEED}`);
  }
  const guests = scenario.guests.reduce((sum, { count }) => sum + count, 0);
  if (guests > MOST_LAB_GUESTS) {
    throw new UserError(
      `scenario: guests are ${guests} in all, expected at most ${MOST_LAB_GUESTS} in the lab; the command line takes more`,
    );
  }
  if (scenario.guests.some(({ attached }) => attached === true)) {
    throw new UserError('scenario: guests[].attached is true, expected false: real guests attach to `serve`');
  }
  const { warmUpNs = 0, durationNs = LAB_DURATION_NS - warmUpNs } = scenario;
  return { plan, scenario, endNs: warmUpNs + durationNs };
}

function refuseModule(field: string, value: string): never {
  throw new UserError(
    `${field} is ${JSON.stringify(value)}, a module; expected a name: the lab runs no code that a file names`,
  );
}
