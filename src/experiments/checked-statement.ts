import type { Certainty } from '../../host/cpu/costs.js';
import type { ReportFigure } from '../report/html/figure.js';

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

/** The statements as a table of a report. */
export function statementsFigure(
  statements: readonly CheckedStatement[],
  about: Pick<ReportFigure, 'id' | 'repeat' | 'parameters'>,
): ReportFigure {
  return {
    ...about,
    title: 'What was said in words',
    sentence: `${statementsAnswer(statements)} Each line says what was looked at, and the numbers that decide it.`,
    table: {
      heads: ['statement', 'source', 'sure', 'looked at', 'here', 'ours'],
      rows: statements.map(({ statement, source, certainty, test, holds, ours }) => [
        statement,
        source,
        `[${certainty}]`,
        test,
        holds ? 'holds' : 'fails',
        ours,
      ]),
    },
  };
}

/** How many of them hold, in a sentence. */
export function statementsAnswer(statements: readonly CheckedStatement[]): string {
  const holding = statements.filter(({ holds }) => holds).length;
  return `Of ${statements.length} published statements ${holding} hold here.`;
}
