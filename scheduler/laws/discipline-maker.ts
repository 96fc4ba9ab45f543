import { refuseValue, requireFunction } from '../checked-values.js';
import { DISCIPLINE_METHODS, type Discipline } from '../discipline.js';
import { requireObject } from './checked-options.js';

/** @throws ParameterError for what does not make disciplines; a class does not without `new` */
export function checkMaker(makeDiscipline: () => Discipline): void {
  requireFunction('makeDiscipline', makeDiscipline, 'a function that makes a discipline: () => new Mine()');
}

/** What was made, if it is a discipline. @throws ParameterError that names the method that it does not have */
export function checkedDiscipline(made: Discipline): Discipline {
  requireObject('what makeDiscipline gives', made);
  if (typeof made.name !== 'string') refuseValue("the discipline's name", made.name, 'text');
  for (const method of DISCIPLINE_METHODS)
    requireFunction(`${made.name}: ${method}`, Reflect.get(made, method), 'a method, as a Discipline has it');
  return made;
}
