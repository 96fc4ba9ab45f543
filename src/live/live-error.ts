import { UserError } from '../../scheduler/errors.js';

/** What the host refuses to `serve`: names the option or file, and what was expected. */
export class LiveError extends UserError {
  override readonly name = 'LiveError';
}
