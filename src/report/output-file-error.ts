import { UserError } from '../../scheduler/errors.js';

/** A file that cannot be written. The path is the user's, so the message says which and why. */
export class OutputFileError extends UserError {
  override readonly name = 'OutputFileError';
  readonly path: string;

  constructor(path: string, reason: string) {
    super(`${path}: cannot be written: ${reason}`);
    this.path = path;
  }

  /** For what the system refused; of its message without the path, which may be a name of ours. */
  static of(path: string, cause: unknown): OutputFileError {
    if (!(cause instanceof Error)) return new OutputFileError(path, String(cause));
    const { syscall } = cause as NodeJS.ErrnoException;
    const end = syscall === undefined ? -1 : cause.message.lastIndexOf(`, ${syscall}`);
    return new OutputFileError(path, end < 0 ? cause.message : cause.message.slice(0, end));
  }
}
