import type { Attack } from '../../guests/hostile/index.js';
import { type Comparison, compareCell } from './compare-cell.js';
import type { AttackedApproach, Cell } from './matrix.js';
import type { Verdict } from './verdict.js';

/** How a cell is written; the legend says what each means. */
export const VERDICT_WORDS: Readonly<Record<Verdict, string>> = {
  'not-applicable': '-',
  'blocked-at-set-up': 'set',
  'blocked-at-access': 'acc',
  contained: 'own',
  succeeded: 'HIT',
};
const LEGEND = [
  'set  blocked at set-up: refused before the card heard of it',
  'acc  blocked at access: the DMA was denied and moved no byte',
  'own  contained: only the attacker suffers',
  'HIT  succeeded: bytes changed or got out, or the victim was not served',
  '-    there is nothing of the kind to attack',
  '*    not what the literature leads one to expect; docs/threats.md explains it',
];
const NAME_WIDTH = 28;
const CELL_WIDTH = 5;
const HEAD_WIDTH = CELL_WIDTH - 1;

/** The matrix as text: one row per attack, one column per approach, 100 columns wide with all thirteen. */
export function matrixText(
  attacks: readonly Attack[],
  approaches: readonly AttackedApproach[],
  cells: readonly Cell[],
): string {
  const heads = approaches.map(({ name }) => headLines(name));
  const height = Math.max(...heads.map(({ length }) => length));
  // What comes before a colon is common to several that follow each other: it stands above the first of them.
  const groups = approaches.map(({ name }) => (name.includes(':') ? name.slice(0, name.indexOf(':')) : ''));
  const lines = [
    rowText(
      '',
      groups.map((group, at) => (group === groups[at - 1] ? '' : group)),
    ),
  ];
  for (let line = 0; line < height; line += 1) {
    const words = heads.map((head) => head[line - (height - head.length)] ?? '');
    lines.push(rowText('', words));
  }
  lines.push('-'.repeat(NAME_WIDTH + CELL_WIDTH * approaches.length));
  const of = new Map(cells.map((cell) => [`${cell.attack} ${cell.approach}`, cell]));
  for (const attack of attacks) {
    const words = approaches.map(({ name }) => cellText(of.get(`${attack.name} ${name}`)));
    lines.push(rowText(attack.name, words));
  }
  return [...lines, '', ...LEGEND, ''].join('\n');
}

/** One attack, or one cell, with all that is known of it. */
export function explainText(attack: Attack, cells: readonly Cell[]): string {
  const lines = [`${attack.name}: ${attack.meaning}.`, `By a ${attack.by}, against ${attack.target}.`, ''];
  for (const cell of cells) {
    lines.push(`${cell.approach}: ${cell.verdict}`, `  ${cell.evidence.sentence}`);
    for (const note of cell.evidence.facts?.notes ?? []) lines.push(`  On the way: ${note}.`);
    const comparison = compareCell(cell);
    if (comparison !== undefined) lines.push(`  ${comparisonText(comparison)}`);
    lines.push('');
  }
  return lines.join('\n');
}

/** What was expected of a cell, why, and whether it came so. */
export function comparisonText({
  expected,
  asExpected,
  because,
  source,
  mark,
  explainedBy,
}: Comparison): string {
  const basis = `(${because}; [${mark}] ${source})`;
  if (asExpected) return `As expected ${basis}.`;
  const where = explainedBy === undefined ? 'unexplained' : `docs/threats.md, "${explainedBy}"`;
  return `Expected that it ${expected} ${basis}; ${where}.`;
}

function cellText(cell: Cell | undefined): string {
  if (cell === undefined) return '';
  return VERDICT_WORDS[cell.verdict] + (compareCell(cell)?.asExpected === false ? '*' : '');
}

/** A name a part a line, each cut to the width of a column. */
function headLines(name: string): string[] {
  return name
    .slice(name.indexOf(':') + 1)
    .split(/-|(?=\+)|(?<=\+)/u)
    .map((part) => (part.length > HEAD_WIDTH ? `${part.slice(0, HEAD_WIDTH - 1)}.` : part));
}

function rowText(name: string, words: readonly string[]): string {
  const cells = words.map((word) => ` ${word.padEnd(HEAD_WIDTH)}`);
  return `${name.padEnd(NAME_WIDTH)}${cells.join('')}`.trimEnd();
}
