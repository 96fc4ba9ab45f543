import type { Certainty } from '../../host/cpu/costs.js';

/** Something that was published in words, and whether it is so here. */
export interface CheckedStatement {
  readonly statement: string;
  readonly source: string;
  /** How sure we are that it was published so; docs/calibration.md explains the marks. */
  readonly certainty: Certainty;
  /** What is looked at here. */
  readonly test: string;
  readonly holds: boolean;
  /** The numbers that decide it. */
  readonly ours: string;
}

/** Two lines a statement: what was said and by whom; what was looked at and what came of it. */
export function printStatements(statements: readonly CheckedStatement[]): string {
  return statements
    .map(
      ({ statement, source, certainty, test, holds, ours }) =>
        `${holds ? 'holds  ' : 'FAILS  '} ${statement} [${certainty}] ${source}\n         ${test}: ${ours}`,
    )
    .join('\n');
}
