import { refuseValue, requireFunction } from '../checked-values.js';
import type { Discipline } from '../discipline.js';
import { requireObject } from './checked-options.js';

/** @throws ParameterError for what does not make disciplines; a class does not without `new` */
export function checkMaker(makeDiscipline: () => Discipline): void {
  requireFunction('makeDiscipline', makeDiscipline, 'a function that makes a discipline: () => new Mine()');
}

/** What every discipline has; the rest is optional. */
const METHODS = [
  'join',
  'leave',
  'activate',
  'select',
  'served',
  'withdraw',
  'relativeFairnessBoundBytes',
  'checkInvariants',
] as const satisfies readonly (keyof Discipline)[];

/** What was made, if it is a discipline. @throws ParameterError that names the method that it does not have */
export function checkedDiscipline(made: Discipline): Discipline {
  requireObject('what makeDiscipline gives', made);
  if (typeof made.name !== 'string') refuseValue("the discipline's name", made.name, 'text');
  for (const method of METHODS)
    requireFunction(`${made.name}: ${method}`, Reflect.get(made, method), 'a method, as a Discipline has it');
  return made;
}
