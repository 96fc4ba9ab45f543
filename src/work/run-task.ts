import { captureNotes } from '../../guests/capture/index.js';
import { TrafficError } from '../../guests/traffic/index.js';
import { ParameterError } from '../../scheduler/errors.js';
import { approachOptions } from '../machine/protection.js';
import { readCaptures } from '../machine/read-captures.js';
import { Run, type RunResult } from '../machine/run.js';
import { captureResultNotes } from '../report/capture-text.js';
import type { SealedPaths } from '../report/output-file.js';
import { RunCapture } from '../report/run-capture.js';
import { RunTrace } from '../report/run-trace.js';
import { timedNotes } from '../report/timed-notes.js';
import type { LoadedScenario } from '../scenario/load.js';
import { type ModuleName, OwnModules } from '../scenario/own-modules.js';
import { isRandom, NOTHING_RANDOM } from '../scenario/randomness.js';
import { ScenarioError } from '../scenario/scenario-error.js';
import { type Refusable, refusable } from './refusable.js';

/** One run, and the files that it writes. Plain data. */
export interface RunTask {
  readonly loaded: LoadedScenario;
  readonly approach: string;
  readonly discipline: string;
  readonly moduleNames: readonly ModuleName[];
  readonly allowModules: boolean;
  readonly seed: number;
  readonly warmUpNs: number;
  readonly durationNs: number;
  /** Files as the user named them. */
  readonly captures: readonly string[];
  readonly traces: readonly string[];
  readonly snapBytes: number | undefined;
  readonly traceNs: number;
  /** The command line that gives the same again. */
  readonly repeat: string;
}

/** What a run gave. */
export interface RunOutcome {
  readonly result: RunResult;
  /** What the user should know of the captures that were read, and of what the scenario does at its times. */
  readonly notes: readonly string[];
  /** Captures and timelines, whole and not yet in their places. */
  readonly files: readonly SealedPaths[];
}

/** Runs from the first nanosecond to the last. Files are whole and wait for their places, or are not there. */
export function runTask(task: RunTask): Promise<Refusable<RunOutcome>> {
  return refusable(() => runStepwise(task, async () => undefined));
}

/**
 * The same a step at a time.
 * @param pause told how far the run is, 0 to 1; lets signals in, and throws when the run is to end
 */
export async function runStepwise(
  task: RunTask,
  pause: (fraction: number) => Promise<void>,
): Promise<RunOutcome> {
  const { loaded, approach, discipline, seed, warmUpNs, durationNs } = task;
  const { scenario, directory, source } = loaded;
  const specs = scenario.guests.map(({ traffic }) => traffic);
  const captures = await readCaptures(specs, directory, warmUpNs + durationNs);
  const modules = await OwnModules.load(task.moduleNames, task.allowModules);
  const writers: (RunCapture | RunTrace)[] = [];
  try {
    const within = <T>(work: () => T): T => inScenario(source, () => modules.under(approach, work));
    const run = within(
      () =>
        new Run({
          scenario,
          directory,
          captures,
          protection: modules.protection(approach, approachOptions(scenario)),
          discipline: modules.discipline(discipline),
          seed,
          warmUpNs,
          durationNs,
          prepare: (machine) => {
            for (const path of task.captures)
              writers.push(new RunCapture(path, machine, task.snapBytes, `seed ${seed}; ${task.repeat}`));
            const { repeat } = task;
            const about = {
              tool: 'cdna-nic',
              protection: approach,
              discipline,
              seed,
              scenario: source,
              repeat,
            };
            for (const path of task.traces) writers.push(new RunTrace(path, machine, task.traceNs, about));
          },
        }),
    );
    while (!run.done) {
      const fraction = within(() => run.advance());
      // What the disk refuses is met inside of an observer, and told here.
      for (const { file } of writers) if (file.failure !== undefined) throw file.failure;
      await pause(fraction);
    }
    const result = run.result();
    for (const writer of writers) writer.finish();
    for (const writer of writers) writer.seal();
    const notes = [
      ...new Set([...captures.values()].flatMap(captureNotes)),
      ...captureResultNotes(result),
      ...timedNotes(scenario, { warmUpNs, durationNs }),
      ...(isRandom(scenario) ? [] : [NOTHING_RANDOM]),
    ];
    return { result, notes, files: writers.flatMap(({ file }) => file.paths ?? []) };
  } catch (error) {
    for (const writer of writers) writer.abort();
    throw error;
  }
}

/**
 * What a machine refuses to be built from, or to go on with, stands in the scenario's file: the message says so. Parts check what
 * they are given when they get it, which may be in the middle of a run.
 */
function inScenario<T>(source: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    const isOfScenario =
      error instanceof ScenarioError || error instanceof TrafficError || error instanceof ParameterError;
    if (!isOfScenario) throw error;
    throw new ScenarioError(`${source}: ${error.message}`);
  }
}
