import type { ProtectionPlan } from '../host/protection/protection.js';
import type { Machine } from './machine/machine.js';
import { protectionOf } from './machine/protection.js';
import { type DisciplineMaker, type RunResult, runScenario } from './machine/run.js';
import { readCaptures } from './machine/traffic.js';
import { checkScenario, loadScenario } from './scenario/load.js';
import type { ScenarioInput } from './scenario/schema.js';

/** What a simulation may be told besides its scenario; each goes before what the scenario says. */
export interface SimulateOptions {
  /** Name of an approach, or one of your own. @defaultValue `cdna` */
  readonly protection?: string | ProtectionPlan;
  /** Name of a discipline, or what makes one of your own. @defaultValue `drr` */
  readonly discipline?: string | DisciplineMaker;
  /** @defaultValue 1 */
  readonly seed?: number;
  /** Virtual time that runs before the measured window, ns. @defaultValue 0 */
  readonly warmUpNs?: number;
  /** Virtual time that is measured, ns. @defaultValue 200 ms */
  readonly durationNs?: number;
  /** Where relative paths of a scenario that is no file start. @defaultValue the working directory */
  readonly directory?: string;
  /** Looks at the machine before it runs: subscribe here. */
  readonly prepare?: (machine: Machine) => void;
}

/** What a run takes that neither the scenario nor its caller decides. */
export const RUN_DEFAULTS = {
  protection: 'cdna',
  discipline: 'drr',
  seed: 1,
  warmUpNs: 0,
  durationNs: 200_000_000,
} as const;

/**
 * Runs a scenario, given as an object or as the path of a file, and tells what came of it.
 *
 * @throws ScenarioError, CaptureError, TrafficError, RangeError: each names what is wrong and what was expected.
 */
export async function simulate(
  scenario: ScenarioInput | string,
  options: SimulateOptions = {},
): Promise<RunResult> {
  const loaded =
    typeof scenario === 'string'
      ? await loadScenario(scenario)
      : { scenario: checkScenario(scenario), directory: options.directory ?? process.cwd() };
  const checked = loaded.scenario;
  const protection = options.protection ?? checked.protection ?? RUN_DEFAULTS.protection;
  const specs = checked.guests.map(({ traffic }) => traffic);
  const warmUpNs = options.warmUpNs ?? checked.warmUpNs ?? RUN_DEFAULTS.warmUpNs;
  const durationNs = options.durationNs ?? checked.durationNs ?? RUN_DEFAULTS.durationNs;
  return runScenario({
    ...loaded,
    captures: await readCaptures(specs, loaded.directory, warmUpNs + durationNs),
    protection: typeof protection === 'string' ? protectionOf(protection, checked) : protection,
    discipline: options.discipline ?? checked.discipline ?? RUN_DEFAULTS.discipline,
    seed: options.seed ?? checked.seed ?? RUN_DEFAULTS.seed,
    warmUpNs,
    durationNs,
    ...(options.prepare === undefined ? {} : { prepare: options.prepare }),
  });
}
