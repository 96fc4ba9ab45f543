import type { Discipline } from '../discipline.js';
import { refuseUnknownOptions } from '../known-options.js';
import type { DisciplineOptions } from './catalogue.js';
import { buildComposition, parseComposition } from './composition.js';

const KNOWN: Readonly<Record<keyof DisciplineOptions, true>> = {
  quantumBytes: true,
  maxFrameBytes: true,
  linkBps: true,
  linkVaries: true,
  tenants: true,
};

/**
 * Makes a discipline by its name: one of the catalogue, or a composition (`drr/sfq`, `limited:drr`,
 * `priority/(limited:drr)/sfq`).
 *
 * @throws ParameterError for an unknown name; the message lists the known ones.
 */
export function makeDiscipline(name: string, options: DisciplineOptions = {}): Discipline {
  refuseUnknownOptions('discipline', options, KNOWN);
  return buildComposition(parseComposition(name), options);
}
