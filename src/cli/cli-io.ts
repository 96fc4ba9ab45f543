/** Where a command speaks, so that tests can listen. */
export interface CliIo {
  /** Results: what a pipe is meant to get. */
  readonly out: (text: string) => void;
  /** Everything said on the way. */
  readonly err: (text: string) => void;
  /** Whether somebody watches stderr: progress is drawn for people only. */
  readonly errIsTerminal: boolean;
  /** Columns of the terminal; 100 when there is none. */
  readonly columns: number;
  /** How this program was called, for the line that repeats a run, e.g. `npx cdna-nic`. */
  readonly program: string;
}

/** 0: fine. 1: a law was broken in the run, or a check found differences. 2: usage, or input that cannot be used. */
export type ExitCode = 0 | 1 | 2;

/** A command that was called in a way that cannot be: names the option, the value and what was expected. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Errors whose message is for the user and says everything; each names a file or field, its value, and what was expected. */
const ERRORS_FOR_USERS: ReadonlySet<string> = new Set([
  'UsageError',
  'ScenarioError',
  'CaptureError',
  'TrafficError',
  'OutputFileError',
  'DumpError',
  'HardwareDataError',
]);

/** Whether an error is the user's to mend: shown without a stack. */
export function isForUser(error: unknown): error is Error {
  return error instanceof Error && ERRORS_FOR_USERS.has(error.name);
}
