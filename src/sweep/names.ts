import { APPROACHES } from '../../host/protection/approaches.js';
import { DISCIPLINES } from '../../scheduler/disciplines/index.js';

/** Every approach, in the catalogue's order. */
export function approachNames(): string[] {
  return APPROACHES.map(({ name }) => name);
}

/** Every discipline that is not composed of others. */
export function disciplineNames(): string[] {
  return DISCIPLINES.map(({ name }) => name);
}
