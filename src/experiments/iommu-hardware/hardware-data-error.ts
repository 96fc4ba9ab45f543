import { UserError } from '../../../scheduler/errors.js';

/** The file is not what the experiment can use. The message names line, field, value and what was expected. */
export class HardwareDataError extends UserError {
  override readonly name = 'HardwareDataError';
}
