/** A file that cannot be written. The path is the user's, so the message says which and why. */
export class OutputFileError extends Error {
  override readonly name = 'OutputFileError';
  readonly path: string;

  constructor(path: string, reason: string) {
    super(`${path}: cannot be written: ${reason}`);
    this.path = path;
  }
}
