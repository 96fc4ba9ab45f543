import type { FigureParameter, FigureTable, ReportFigure } from '../report/html/figure.js';
import { plainTable } from '../report/plain-table.js';

/** A result for people: text and pages are rendered from it. */
export interface Presentation {
  /** The answer in a few sentences. */
  readonly answer: string;
  /** What was run: machine, traffic, times, seeds. */
  readonly parameters: readonly FigureParameter[];
  readonly figures: readonly ReportFigure[];
  /** What else a reader must know: what was fitted, what is missed. */
  readonly notes: readonly string[];
}

/** A presentation as text: the answer, what was run, and each figure's sentence and numbers. */
export function presentationText(
  name: string,
  question: string,
  { answer, parameters, figures, notes }: Presentation,
): string {
  const width = Math.max(...parameters.map((parameter) => parameter.name.length));
  const shown = new Set<FigureTable>();
  const parts = figures.map(({ title, sentence, table, text }) => {
    const isNew = !shown.has(table);
    shown.add(table);
    // Figures that show different columns of one table have it once.
    const numbers = text ?? (isNew ? tableText(table) : 'Its numbers are in the table above.');
    return `${title}\n${wrapped(sentence)}\n\n${numbers}`;
  });
  return [
    `${name}: ${question}`,
    '',
    wrapped(answer),
    '',
    ...parameters.map((parameter) => `${parameter.name.padEnd(width)}  ${parameter.value}`),
    '',
    parts.join('\n\n'),
    ...notes.map((note) => `\n${wrapped(note)}`),
  ].join('\n');
}

/** A table of a figure as text: numbers stand right. */
function tableText({ heads, textHeads = heads, rows }: FigureTable): string {
  const isNumber = (column: number) =>
    column > 0 && rows.every((row) => /^(?:[-+]?[\d.,]|-?$)/u.test(row[column] ?? ''));
  return plainTable(
    textHeads.map((head, column) => ({ head, align: isNumber(column) ? 'right' : 'left' })),
    rows,
  );
}

const LINE_CHARACTERS = 118;

function wrapped(text: string): string {
  const lines: string[] = [];
  let line = '';
  // A number stays with its unit.
  for (const word of text.split(/ (?!%)/u)) {
    if (line !== '' && line.length + word.length + 1 > LINE_CHARACTERS) {
      lines.push(line);
      line = '';
    }
    line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line].join('\n');
}
