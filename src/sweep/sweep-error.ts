import { UserError } from '../../scheduler/errors.js';

/** A study that cannot be run: names the file, the field, the value and what was expected. */
export class SweepError extends UserError {
  override readonly name = 'SweepError';
}
