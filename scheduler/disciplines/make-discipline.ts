import type { Discipline } from '../discipline.js';
import type { DisciplineOptions } from './catalogue.js';
import { buildComposition, parseComposition } from './composition.js';

/**
 * Makes a discipline by its name: one of the catalogue, or a composition (`drr/sfq`, `limited:drr`,
 * `priority/(limited:drr)/sfq`).
 *
 * @throws ParameterError for an unknown name; the message lists the known ones.
 */
export function makeDiscipline(name: string, options: DisciplineOptions = {}): Discipline {
  return buildComposition(parseComposition(name), options);
}
