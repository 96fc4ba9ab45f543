import { expect, it } from 'vitest';
import type { Discipline } from '../../../scheduler/discipline.js';
import { checkDiscipline } from '../../../scheduler/laws/index.js';
import { some } from '../../support/whole.js';
import { lawBrokenBy } from './law-broken-by.js';

/** The laws that judge shares. */
export const SHARING = ['shares follow weights', 'an idle context gains nothing', 'no context starves'];

/** A number of so many bits, without a sign. */
export const cut = (bits: number) => (value: number) => value % 2 ** bits;

/** A mutant, and the laws that may catch it. */
export type Mutant = readonly [flaw: string, make: () => Discipline, laws: readonly string[]];

/** One test per mutant: the check finds it with its defaults. A third of them in the short form. */
export function areCaught(mutants: readonly Mutant[]): void {
  it.each(some(mutants))('%s', (_flaw, makeMutant, laws) => {
    expect(laws).toContain(lawBrokenBy(() => checkDiscipline(makeMutant, { minimise: false })));
  });
}
