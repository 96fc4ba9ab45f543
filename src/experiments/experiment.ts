import type { ReportFigure } from '../report/html/figure.js';
import { compareWithStored, type StoredComparison } from './stored-result.js';
import type { Threads } from './threads.js';

/** How an experiment is asked for. */
export interface ExperimentRequest {
  /** A file of the user's own, for experiments that compare with data. */
  readonly dataPath: string | undefined;
  /** With it: the latencies of the same machine, and what pages its windows had. */
  readonly latencyPath?: string | undefined;
  readonly pages?: '4k' | 'super' | undefined;
  readonly seed: number;
  /** The command line that does it again: goes under every figure. */
  readonly repeat: string;
  /** What computes. Of several experiments the tasks wait in one queue, so that no core is without work. */
  readonly threads: Threads;
  /** Told how far it is, 0 to 1, and what it is doing. */
  readonly progress: (fraction: number, step: string) => void;
}

/** A result for people. */
export interface Presentation {
  readonly text: string;
  /** What came of it, in a sentence or two, for the head of the report. */
  readonly answer: string;
  /** What the report shows of it. */
  readonly figures: readonly ReportFigure[];
}

/** What an experiment found, for people and for programs. */
export interface ExperimentOutcome extends Presentation {
  /** A plain object; keys carry units. */
  readonly document: object;
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
  /**
   * Presents a result of this experiment, fresh or stored, as `run` does.
   * @param repeat the command line that gives it again
   */
  present(result: object, repeat: string): Presentation;
}

/** An experiment that has been run. */
export interface FinishedExperiment {
  readonly experiment: Experiment;
  readonly outcome: ExperimentOutcome;
}

/** What one experiment has of its own. */
export interface ExperimentDefinition<Result extends object>
  extends Pick<Experiment, 'name' | 'question' | 'takesData' | 'storedUrl'> {
  /** The result; plain data that depends on the seed and the data alone. */
  measure(request: ExperimentRequest): Promise<Result>;
  present(result: Result, repeat: string): Presentation;
  /** What programs get, where that is not the result itself. */
  document?(result: Result): object;
}

/** An experiment whose result is compared with what is stored, and presented the same way wherever it comes from. */
export function defineExperiment<Result extends object>(
  definition: ExperimentDefinition<Result>,
): Experiment {
  const { name, question, takesData, storedUrl } = definition;
  return {
    name,
    question,
    takesData,
    storedUrl,
    async run(request) {
      const { dataPath, seed, repeat } = request;
      const result = await definition.measure(request);
      return {
        ...definition.present(result, repeat),
        document: definition.document?.(result) ?? result,
        // What is measured on somebody's own machine is stored nowhere.
        stored: dataPath === undefined ? compareWithStored(storedUrl, seed, result) : 'not-compared',
      };
    },
    // A stored result is what `measure` once gave.
    present: (result, repeat) => definition.present(result as Result, repeat),
  };
}
