import type { Certainty } from '../../host/cpu/costs.js';
import type { ReportFigure } from '../report/html/figure.js';

/** A statement that was published in words, and whether it holds here. */
export interface CheckedStatement {
  readonly statement: string;
  readonly source: string;
  /** How certain it is that it was published so; docs/calibration.md explains the marks. */
  readonly certainty: Certainty;
  /** What is checked here. */
  readonly test: string;
  readonly holds: boolean;
  /** The numbers that decide it. */
  readonly ours: string;
}

/** The statements as a table of a report; two lines each in text. */
export function statementsFigure(statements: readonly CheckedStatement[], id: string): ReportFigure {
  return {
    id,
    title: 'Published statements',
    sentence: `${statementsAnswer(statements)} Each line says what was checked, and the numbers that decide it.`,
    table: {
      heads: ['statement', 'source', 'certainty', 'checked', 'here', 'ours'],
      rows: statements.map(({ statement, source, certainty, test, holds, ours }) => [
        statement,
        source,
        `[${certainty}]`,
        test,
        holds ? 'holds' : 'fails',
        ours,
      ]),
    },
    text: statements
      .map(
        ({ statement, source, certainty, test, holds, ours }) =>
          `${holds ? 'holds  ' : 'FAILS  '} ${statement} [${certainty}] ${source}\n         ${test}: ${ours}`,
      )
      .join('\n'),
  };
}

/** How many of them hold, and which do not, in a sentence. */
export function statementsAnswer(statements: readonly CheckedStatement[]): string {
  const failing = statements.filter(({ holds }) => !holds).map(({ statement }) => `"${statement}"`);
  const holding = statements.length - failing.length;
  return `Of ${statements.length} published statements ${holding} hold here${failing.length === 0 ? '' : `; not ${failing.join(', ')}`}.`;
}
