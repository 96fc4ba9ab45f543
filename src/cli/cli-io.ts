import { UserError } from '../../scheduler/errors.js';

/** Where a command writes; a test reads it. */
export interface CliIo {
  /** Results: what a pipe is meant to get. */
  readonly out: (text: string) => void;
  /** The same for bytes: a capture. */
  readonly bytes?: (chunk: Uint8Array) => void;
  /** The same in the place of the last lines of it; undefined where results do not go to a terminal. */
  readonly redraw?: ((lines: number, text: string) => void) | undefined;
  /** Progress, warnings and errors. */
  readonly err: (text: string) => void;
  /** Whether stderr is a terminal: progress is shown only there. */
  readonly errIsTerminal: boolean;
  /** Columns of the terminal; 100 when there is none. */
  readonly columns: number;
  /** How this program was called, for the line that repeats a run, e.g. `npx cdna-nic`. */
  readonly program: string;
  /** How many tasks of long work run at once unless the user says. @defaultValue one per core */
  readonly jobs?: number;
}

/** 0: success. 1: an invariant was violated in the run, or a check found differences. 2: usage or unusable input. */
export type ExitCode = 0 | 1 | 2;

/** The command line is wrong: names the option, its value and what was expected. */
export class UsageError extends UserError {
  override readonly name = 'UsageError';
}
