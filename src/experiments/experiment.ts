import type { ReportFigure } from '../report/html/figure.js';
import type { Threads } from './threads.js';

/** How an experiment is asked for. */
export interface ExperimentRequest {
  /** A file of the user's own, for experiments that compare with data. */
  readonly dataPath: string | undefined;
  readonly seed: number;
  /** The command line that does it again: goes under every figure. */
  readonly repeat: string;
  /** What computes. Of several experiments the tasks wait in one queue, so that no core is without work. */
  readonly threads: Threads;
  /** Told how far it is, 0 to 1, and what it is doing. */
  readonly progress: (fraction: number, step: string) => void;
}

/** What an experiment found, for people and for programs. */
export interface ExperimentOutcome {
  readonly text: string;
  /** What came of it, in a sentence or two, for the head of the report. */
  readonly answer?: string;
  /** A plain object; keys carry units. */
  readonly document: object;
  /** What the report shows of it. */
  readonly figures: readonly ReportFigure[];
  /** False when a stored result was to be repeated and was not. */
  readonly asStored: boolean;
}

/** A question that can be put again with one command. */
export interface Experiment {
  readonly name: string;
  /** One line. */
  readonly question: string;
  /** Whether `--data` means anything to it. */
  readonly takesData: boolean;
  run(request: ExperimentRequest): Promise<ExperimentOutcome>;
}
