import { UserError } from '../../scheduler/errors.js';

/** Found out in the middle of a script: the machine has not what the attack needs. */
export class NotPlayable extends UserError {
  override readonly name = 'NotPlayable';
}
