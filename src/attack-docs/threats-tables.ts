import { ATTACKS } from '../../guests/hostile/index.js';
import { APPROACHES } from '../../host/protection/approaches.js';
import { compareCell } from '../attack/compare-cell.js';
import { EXPECTATIONS } from '../attack/expectations.js';
import type { Cell } from '../attack/matrix.js';
import { matrixText } from '../attack/matrix-text.js';
import { VERDICTS, type Verdict } from '../attack/verdict.js';
import { withPart } from '../report/generated-part.js';

const END = '<!-- end -->';
const IOMMU = 'iommu:';
const IOMMU_STRATEGIES = APPROACHES.filter(({ name }) => name.startsWith(IOMMU)).length;

/** docs/threats.md with its tables as these cells, of the whole matrix, have them. */
export function withThreats(document: string, cells: readonly Cell[]): string {
  const matrix = `\`\`\`text\n${matrixText(ATTACKS, APPROACHES, cells)}\`\`\``;
  const text = withPart(document, '<!-- table: matrix -->', END, matrix);
  return withPart(text, '<!-- table: reasons -->', END, reasonsTable(cells));
}

/** What each attack does, and a row for each verdict that it came to and each reason: on which approaches, and why. */
function reasonsTable(cells: readonly Cell[]): string {
  const rows = ['| attack | by | ended | on | because |', '|---|---|---|---|---|'];
  for (const { name, by, meaning } of ATTACKS) {
    const own = cells.filter(({ attack }) => attack === name);
    const expectation = EXPECTATIONS.find(({ attack }) => attack === name);
    const source = expectation === undefined ? '' : ` [${expectation.mark}] ${expectation.source}`;
    rows.push(`| \`${name}\` | ${by} | | | ${cellText(`${meaning}.${source}`)} |`);
    for (const verdict of [...VERDICTS].reverse()) {
      const ended = own.filter((cell) => cell.verdict === verdict);
      const byReason = new Map<string, Cell[]>();
      for (const cell of ended) {
        const because = compareCell(cell)?.because ?? cell.evidence.sentence;
        byReason.set(because, [...(byReason.get(because) ?? []), cell]);
      }
      for (const [because, alike] of byReason)
        rows.push(`| | | ${WORDS[verdict]} | ${approachesText(alike)} | ${cellText(because)} |`);
    }
  }
  return rows.join('\n');
}

const WORDS: Readonly<Record<Verdict, string>> = {
  succeeded: '**succeeded**',
  contained: 'contained',
  'blocked-at-access': 'blocked at access',
  'blocked-at-set-up': 'blocked at set-up',
  'not-applicable': 'does not apply',
};

/** Names of the approaches; the strategies of an IOMMU together, and a star where it was expected otherwise. */
function approachesText(cells: readonly Cell[]): string {
  const odd = (cell: Cell) => (compareCell(cell)?.asExpected === false ? '\\*' : '');
  const translated = cells.filter(({ approach }) => approach.startsWith(IOMMU));
  const all = translated.length === IOMMU_STRATEGIES && translated.every((cell) => odd(cell) === '');
  const parts = cells
    .filter(({ approach }) => !approach.startsWith(IOMMU))
    .map((cell) => cell.approach + odd(cell));
  if (all) parts.push('iommu (all)');
  else if (translated.length > 0)
    parts.push(
      `iommu: ${translated.map((cell) => cell.approach.slice(IOMMU.length) + odd(cell)).join(', ')}`,
    );
  return parts.join(', ');
}

/** A bar would end the cell. */
function cellText(text: string): string {
  return text.replaceAll('|', '\\|');
}
