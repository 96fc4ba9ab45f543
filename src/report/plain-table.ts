import Table from 'cli-table3';

/** Lines of a table without boxes: heads, a rule, rows. Short lines read well, and paste well. */
const CHARACTERS = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '  ',
};

/** A column: its head, and whether it holds text (left) or numbers (right). */
export interface Column {
  readonly head: string;
  readonly align: 'left' | 'right';
  /** Longer text is wrapped at this many characters. */
  readonly width?: number;
}

/** A table as text; heads may have several lines. */
export function plainTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const table = new Table({
    head: columns.map(({ head }) => head),
    chars: CHARACTERS,
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [], compact: true },
    colAligns: columns.map(({ align }) => align),
    colWidths: columns.map(({ width }) => width ?? null),
    wordWrap: true,
  });
  table.push(...rows.map((row) => [...row]));
  const lines = table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd());
  return lines.join('\n');
}
