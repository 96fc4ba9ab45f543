import type { Workers } from '../work/workers.js';
import { type Presentation, presentationText } from './presentation.js';
import { compareWithStored, type StoredComparison } from './stored-result.js';

/** How an experiment is called. */
export interface ExperimentRequest {
  /** A file of the user's own, for experiments that compare with data. */
  readonly dataPath: string | undefined;
  /** With it: the latencies of the same machine, and what pages its windows had. */
  readonly latencyPath?: string | undefined;
  readonly pages?: '4k' | 'super' | undefined;
  readonly seed: number;
  /** The worker threads. The tasks of several experiments wait in one queue, so that no core is idle. */
  readonly threads: Workers;
  /** Called with its progress, 0 to 1, and the current step. */
  readonly progress: (fraction: number, step: string) => void;
}

/** The outcome of an experiment, for people and for programs. */
export interface ExperimentOutcome extends Presentation {
  readonly text: string;
  /** The result: a plain object; keys carry units. */
  readonly result: object;
  readonly stored: StoredComparison;
}

/** A question of the field that one command answers again. */
export interface Experiment {
  readonly name: string;
  /** One line. */
  readonly question: string;
  /** Whether it accepts `--data`. */
  readonly takesData: boolean;
  /** The result of seed 1, as JSON. */
  readonly storedUrl: URL;
  run(request: ExperimentRequest): Promise<ExperimentOutcome>;
  /** Presents a result of this experiment, fresh or stored, as `run` does. */
  present(result: object): Presentation & { readonly text: string };
}

/** An experiment that has been run. */
export interface FinishedExperiment {
  readonly experiment: Experiment;
  readonly outcome: ExperimentOutcome;
}

/** What is specific to one experiment. */
export interface ExperimentDefinition<Result extends object>
  extends Pick<Experiment, 'name' | 'question' | 'storedUrl'> {
  readonly takesData?: true;
  /** The result; plain data that depends on the seed and the data alone. */
  measure(request: ExperimentRequest): Promise<Result>;
  present(result: Result): Presentation;
}

/** An experiment whose result is compared with what is stored, and presented the same way wherever it comes from. */
export function defineExperiment<Result extends object>(
  definition: ExperimentDefinition<Result>,
): Experiment {
  const { name, question, takesData = false, storedUrl } = definition;
  const present = (result: Result) => {
    const presentation = definition.present(result);
    return { ...presentation, text: presentationText(name, question, presentation) };
  };
  return {
    name,
    question,
    takesData,
    storedUrl,
    async run(request) {
      const result = await definition.measure(request);
      return {
        ...present(result),
        result,
        // No result is stored for a machine of the user's own.
        stored:
          request.dataPath === undefined
            ? compareWithStored(storedUrl, request.seed, result)
            : 'not-compared',
      };
    },
    // A stored result is an earlier result of `measure`.
    present: (result) => present(result as Result),
  };
}
