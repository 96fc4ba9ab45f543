/** The file is not what the experiment can use. The message names line, field, value and what was expected. */
export class HardwareDataError extends Error {
  override readonly name = 'HardwareDataError';
}
