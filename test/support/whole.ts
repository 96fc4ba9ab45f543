/**
 * Whether tests run in their whole form: `npm run test:all`, and what mutants are held to. `npm test` takes fewer of the
 * random runs of a property and of the combinations of a table, so that it ends within minutes on two cores; no
 * property and no test is left out of it.
 */
export const WHOLE: boolean = process.env.CDNA_TESTS === 'whole';

/** Of so many random runs of a property, those that are made: all in the whole form, a sixth of them otherwise. */
export function runs(whole: number): number {
  return WHOLE ? whole : Math.max(2, Math.ceil(whole / 6));
}

/** A length, a step, a size, or a list of them: the first in the whole form, the second otherwise. */
export function either<T = number>(whole: T, short: T): T {
  return WHOLE ? whole : short;
}

/** Of a list of cases, those of one turn of so many: each case is in one of the turns. All cases in the whole form. */
export function turnOf<T>(cases: readonly T[], turn: number, turns = 3): T[] {
  return cases.filter((_, index) => WHOLE || index % turns === turn % turns);
}

/** Of a list of cases, those that are tried: all in the whole form, every third otherwise, the first and the last too. */
export function some<T>(cases: readonly T[]): T[] {
  return cases.filter((_, index) => WHOLE || index % 3 === 0 || index === cases.length - 1);
}
