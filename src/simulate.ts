import { setImmediate } from 'node:timers/promises';
import { Observable } from 'rxjs';
import * as z from 'zod';
import type { ProtectionPlan } from '../host/protection/protection.js';
import type { Machine } from './machine/machine.js';
import { approachOptions } from './machine/protection.js';
import { readCaptures } from './machine/read-captures.js';
import { type DisciplineMaker, Run, type RunResult } from './machine/run.js';
import { checkScenario, loadScenario } from './scenario/load.js';
import { type ModuleName, OwnModules } from './scenario/own-modules.js';
import { scenarioErrorOf } from './scenario/scenario-error.js';
import { type Scenario, type ScenarioInput, scenarioSchema } from './scenario/schema.js';
import { catchingObserverErrors } from './unhandled-errors.js';

/** What a simulation may be told besides its scenario; each goes before what the scenario says. */
export interface SimulateOptions {
  /** Name of an approach, or one of your own. @defaultValue `cdna` */
  readonly protection?: string | ProtectionPlan | undefined;
  /** Name of a discipline, or what makes one of your own. @defaultValue `drr` */
  readonly discipline?: string | DisciplineMaker | undefined;
  /** A whole number from 0 to 2^32 - 1. @defaultValue 1 */
  readonly seed?: number | undefined;
  /** Virtual time that runs before the measured window, ns. @defaultValue a tenth of the window */
  readonly warmUpNs?: number | undefined;
  /** Virtual time that is measured, ns. @defaultValue 200 ms */
  readonly durationNs?: number | undefined;
  /** Whether modules that the scenario names are run; they have your rights. @defaultValue false */
  readonly allowModules?: boolean | undefined;
  /** Where relative paths of a scenario that is no file start. @defaultValue the working directory */
  readonly directory?: string | undefined;
  /** Looks at the machine before it runs: subscribe here. */
  readonly prepare?: ((machine: Machine) => void) | undefined;
  /** Told how far the run is, from 0 to 1. */
  readonly progress?: ((fraction: number) => void) | undefined;
  /** Stops the run when it aborts; `simulate` then rejects with its reason. */
  readonly signal?: AbortSignal | undefined;
}

/** What a run takes that neither the scenario nor its caller decides. */
export const RUN_DEFAULTS = {
  protection: 'cdna',
  discipline: 'drr',
  seed: 1,
  durationNs: 200_000_000,
} as const;

/**
 * The warm-up of a run whose caller and scenario name none: a tenth of the window, so that rings that fill, caches that
 * are cold and pools that are empty do not count. None where a capture is played once: it has a beginning of its own.
 */
export function defaultWarmUpNs(durationNs: number, { guests }: Pick<Scenario, 'guests'>): number {
  const isPlayedOnce = guests.some(({ traffic }) => traffic.kind === 'replay' && !traffic.loop);
  return isPlayedOnce ? 0 : Math.floor(durationNs / 10);
}

const optionsSchema = z.strictObject({
  protection: z
    .custom<string | ProtectionPlan>(
      (value) => typeof value === 'string' || isPlan(value),
      'expected the name of an approach, or one that can be built: new Cdna()',
    )
    .optional(),
  discipline: z
    .custom<string | DisciplineMaker>(
      (value) => typeof value === 'string' || isFunction(value),
      'expected the name of a discipline, or a function that makes one',
    )
    .optional(),
  seed: scenarioSchema.shape.seed,
  warmUpNs: scenarioSchema.shape.warmUpNs,
  durationNs: scenarioSchema.shape.durationNs,
  allowModules: z.boolean().optional(),
  directory: z.string().optional(),
  prepare: z.custom<(machine: Machine) => void>(isFunction, 'expected a function').optional(),
  progress: z.custom<(fraction: number) => void>(isFunction, 'expected a function').optional(),
  signal: z
    .custom<AbortSignal>((value) => value instanceof AbortSignal, 'expected an AbortSignal')
    .optional(),
});

/**
 * Runs a scenario, given as an object or as the path of a file, and tells what came of it. Between two steps of the
 * run, 2 ms of virtual time at most, the event loop has its turn. Every stream of the machine completes before this
 * settles.
 *
 * @throws UserError that names what is wrong and what was expected: ScenarioError, CaptureError, TrafficError,
 * ParameterError; ObserverError when an observer of a stream throws; the signal's reason when it aborts.
 */
export async function simulate(
  scenario: ScenarioInput | string,
  options: SimulateOptions = {},
): Promise<RunResult> {
  const checked = optionsSchema.safeParse(options);
  if (!checked.success) throw scenarioErrorOf('simulate', optionsSchema, options, checked.error);
  const { signal, progress } = options;
  signal?.throwIfAborted();
  const { under, ...settings } = await settingsOf(scenario, options);
  return catchingObserverErrors(async (check) => {
    signal?.throwIfAborted();
    const run = under(() => new Run(settings));
    try {
      options.prepare?.(run.machine);
      while (!run.done) {
        const fraction = under(() => run.advance());
        progress?.(fraction);
        await setImmediate();
        check();
        signal?.throwIfAborted();
      }
      return run.result();
    } catch (error) {
      closeAfterFailure(run);
      throw error;
    }
  });
}

/** `simulate` as a cold Observable of one result: each subscriber has a run of its own, and unsubscribing stops it. */
export function simulate$(
  scenario: ScenarioInput | string,
  options: SimulateOptions = {},
): Observable<RunResult> {
  return new Observable<RunResult>((subscriber) => {
    const stop = new AbortController();
    const { signal: theirs } = options;
    const signal = theirs === undefined ? stop.signal : AbortSignal.any([stop.signal, theirs]);
    simulate(scenario, { ...options, signal }).then(
      (result) => {
        subscriber.next(result);
        subscriber.complete();
      },
      (error) => subscriber.error(error),
    );
    return () => stop.abort();
  });
}

async function settingsOf(scenario: ScenarioInput | string, options: SimulateOptions) {
  const loaded =
    typeof scenario === 'string'
      ? await loadScenario(scenario)
      : { scenario: checkScenario(scenario), directory: options.directory ?? process.cwd() };
  const checked = loaded.scenario;
  const protection = options.protection ?? checked.protection ?? RUN_DEFAULTS.protection;
  const discipline = options.discipline ?? checked.discipline ?? RUN_DEFAULTS.discipline;
  const names = [
    ...moduleName('protection', options.protection, checked.protection, loaded.directory),
    ...moduleName('discipline', options.discipline, checked.discipline, loaded.directory),
  ];
  const modules = await OwnModules.load(names, options.allowModules === true);
  const specs = checked.guests.map(({ traffic }) => traffic);
  const durationNs = options.durationNs ?? checked.durationNs ?? RUN_DEFAULTS.durationNs;
  const warmUpNs = options.warmUpNs ?? checked.warmUpNs ?? defaultWarmUpNs(durationNs, checked);
  return {
    ...loaded,
    captures: await readCaptures(specs, loaded.directory, warmUpNs + durationNs),
    protection:
      typeof protection === 'string' ? modules.protection(protection, approachOptions(checked)) : protection,
    discipline: typeof discipline === 'string' ? modules.discipline(discipline) : discipline,
    seed: options.seed ?? checked.seed ?? RUN_DEFAULTS.seed,
    warmUpNs,
    durationNs,
    under: <T>(work: () => T): T =>
      typeof protection === 'string' ? modules.under(protection, work) : work(),
  };
}

/** A name that may be the path of a module, and where that path starts: what a caller gives is as good as the caller's own code. */
function moduleName(
  kind: ModuleName['kind'],
  given: unknown,
  named: string | undefined,
  directory: string,
): ModuleName[] {
  if (typeof given === 'string') {
    return [{ kind, name: given, directory: process.cwd(), field: `simulate: ${kind}`, fromScenario: false }];
  }
  if (given !== undefined || named === undefined) return [];
  return [{ kind, name: named, directory, field: `scenario: ${kind}`, fromScenario: true }];
}

/** The run has failed already: what its observers throw as their streams complete says nothing more. */
function closeAfterFailure(run: Run): void {
  try {
    run.close();
  } catch {
    // The first failure counts.
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

/** Whether it is an approach with its options: built at once, or with what lies between the guests and the card. */
function isPlan(value: unknown): boolean {
  return (
    isObject(value) &&
    (isFunction(Reflect.get(value, 'build')) || isFunction(Reflect.get(value, 'interpose')))
  );
}

function isFunction(value: unknown): boolean {
  return typeof value === 'function';
}
