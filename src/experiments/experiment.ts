import type { Workers } from '../work/workers.js';
import { type Presentation, presentationText } from './presentation.js';
import { compareWithStored, type StoredComparison } from './stored-result.js';

/** How an experiment is asked for. */
export interface ExperimentRequest {
  /** A file of the user's own, for experiments that compare with data. */
  readonly dataPath: string | undefined;
  /** With it: the latencies of the same machine, and what pages its windows had. */
  readonly latencyPath?: string | undefined;
  readonly pages?: '4k' | 'super' | undefined;
  readonly seed: number;
  /** What computes. The tasks of several experiments wait in one queue, so that no core is without work. */
  readonly threads: Workers;
  /** Told how far it is, 0 to 1, and what it is doing. */
  readonly progress: (fraction: number, step: string) => void;
}

/** What an experiment found, for people and for programs. */
export interface ExperimentOutcome extends Presentation {
  readonly text: string;
  /** The result: a plain object; keys carry units. */
  readonly result: object;
  readonly stored: StoredComparison;
}

/** A question that can be put again with one command. */
export interface Experiment {
  readonly name: string;
  /** One line. */
  readonly question: string;
  /** Whether `--data` means anything to it. */
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

/** What one experiment has of its own. */
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
        // What is measured on a machine of the user's own is stored nowhere.
        stored:
          request.dataPath === undefined
            ? compareWithStored(storedUrl, request.seed, result)
            : 'not-compared',
      };
    },
    // A stored result is what `measure` once gave.
    present: (result) => present(result as Result),
  };
}
