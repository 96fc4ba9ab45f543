import type { Attack } from '../../guests/hostile/index.js';
import { breakable, html, type Markup } from '../report/html/markup.js';
import { compareCell } from './compare-cell.js';
import { attackHtml, attackId, evidenceHtml, evidenceId, verdictText } from './evidence-html.js';
import type { Cell, NamedApproach } from './matrix.js';
import { VERDICT_WORDS } from './matrix-text.js';
import type { Verdict } from './verdict.js';

const MEANINGS: readonly (readonly [verdict: Verdict, meaning: string])[] = [
  ['succeeded', 'it got through: bytes changed or got out, or the victim was not served'],
  ['contained', 'no gate stopped it, and only the attacker suffers'],
  ['blocked-at-access', 'blocked at access: the DMA was denied and moved no byte'],
  ['blocked-at-set-up', 'blocked at set-up: refused before the card heard of it'],
  ['not-applicable', 'there is nothing of the kind to attack'],
];

/** The matrix: one row per attack, one column per approach; each cell is a button that opens its evidence. */
export function matrixHtml(
  attacks: readonly Attack[],
  approaches: readonly NamedApproach[],
  cells: readonly Cell[],
): Markup {
  const of = new Map(cells.map((cell) => [`${cell.attack} ${cell.approach}`, cell]));
  const groups = [...new Set(attacks.map(({ by }) => by))];
  const row = (
    attack: Attack,
  ) => html`<tr><th scope="row"><button type="button" popovertarget="${attackId(attack)}" aria-label="${attack.name}: what it does">${attack.name}</button></th>${approaches.map(
    ({ name }) => cellHtml(of.get(`${attack.name} ${name}`)),
  )}</tr>
`;
  const group = (
    by: Attack['by'],
  ) => html`<tbody><tr><th class="group" colspan="${approaches.length + 1}" scope="rowgroup"><span>${
    by === 'guest' ? 'By a guest' : 'By the card itself'
  }</span></th></tr>
${attacks.filter((attack) => attack.by === by).map(row)}</tbody>
`;
  return html`<ul class="legend">${MEANINGS.map(
    ([verdict, meaning]) =>
      html`<li><span class="verdict ${verdict}">${VERDICT_WORDS[verdict]}</span> ${meaning}</li>`,
  )}<li><span class="verdict">*</span> not what the literature leads one to expect; docs/threats.md explains it</li></ul>
<p>A cell opens what its verdict rests on; the name of an attack, what it does.</p>
<p class="sideways">The table is wider than this window: it scrolls sideways.</p>
<div class="scroll matrix" tabindex="0" role="region" aria-label="Table: attacks against approaches"><table>
<thead><tr><th scope="col">attack</th>${approaches.map(({ name }) => html`<th scope="col">${breakable(name)}</th>`)}</tr></thead>
${groups.map(group)}</table></div>
${attacks.map(attackHtml)}${cells.map(evidenceHtml)}`;
}

function cellHtml(cell: Cell | undefined): Markup {
  if (cell === undefined) return html`<td></td>`;
  const { attack, approach, verdict } = cell;
  const isAsExpected = compareCell(cell)?.asExpected !== false;
  const word = `${VERDICT_WORDS[verdict]}${isAsExpected ? '' : '*'}`;
  // What is seen comes first, so that it can be spoken to (WCAG 2.5.3).
  const label = `${word}: ${attack} on ${approach}, ${verdictText(verdict)}${isAsExpected ? '' : ', not as expected'}. Evidence`;
  return html`<td><button type="button" class="verdict ${verdict}" popovertarget="${evidenceId(cell)}" aria-label="${label}">${word}</button></td>`;
}

/** Least width of the matrix; in a figure that is narrower it scrolls. */
const MATRIX_REM = 70;

/** What the page needs besides its own style. Words tell verdicts apart; the tints only help. */
export const MATRIX_STYLE = `
.legend{list-style:none;padding:0;display:grid;grid-template-columns:repeat(auto-fill,minmax(19rem,1fr));gap:.3rem 1.2rem;max-width:none;font-size:.88rem}
.legend li{display:grid;grid-template-columns:3.2rem 1fr;gap:.6rem;align-items:start}
.verdict{display:inline-block;font:600 .8rem/1.3 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;text-align:center;padding:.12rem .2rem;border:1px solid transparent;border-radius:3px;color:var(--ink)}
.verdict.succeeded{background:var(--alarm);color:var(--on-alarm);border-color:var(--alarm)}
.verdict.contained{border:1px dashed var(--rule);background:none}
.verdict.blocked-at-access,.verdict.blocked-at-set-up{background:var(--raised)}
.verdict.blocked-at-access{border-bottom:2px solid var(--series-1)}
.verdict.blocked-at-set-up{border-top:2px solid var(--series-1)}
.verdict.not-applicable{color:var(--soft);font-weight:400;background:none}
.sideways{display:none;color:var(--soft);font-size:.88rem}
@container (max-width:${MATRIX_REM - 0.01}rem){.sideways{display:block}}
.matrix table{width:100%;min-width:${MATRIX_REM}rem;table-layout:fixed}
.matrix th,.matrix td{padding:.12rem .15rem;border-bottom:1px solid var(--grid)}
.matrix thead th{font-size:.72rem;text-align:center}
.matrix thead th:first-child{text-align:left;width:13rem}
.matrix td{text-align:center;vertical-align:middle}
.matrix tbody th{white-space:normal}
.matrix th:first-child:not(.group){position:sticky;left:0;background:var(--paper);z-index:1;border-right:1px solid var(--line)}
.matrix .group{text-align:left;font-size:.8rem;color:var(--soft);padding-top:.9rem;border-bottom:1px solid var(--rule)}
.matrix .group span{position:sticky;left:0}
.matrix td button{width:100%;min-height:1.75rem;cursor:pointer}
.matrix td button:hover{outline:2px solid var(--link)}
.matrix tbody th button{all:unset;cursor:pointer;padding:.15rem .3rem .15rem 0;font-size:.82rem;text-decoration:underline dotted;text-underline-offset:.2em;overflow-wrap:normal}
.matrix tbody th button:focus-visible{outline:2px solid var(--link);outline-offset:2px}
.evidence{inset:0;margin:auto;width:min(40rem,calc(100vw - 2rem));height:fit-content;max-height:85vh;overflow:auto;padding:1rem 1.25rem;border:1px solid var(--rule);border-radius:8px;background:var(--paper);color:var(--ink)}
.evidence h4{margin:0 0 .5rem;font-size:1.05rem;line-height:1.3}
.evidence button{font:inherit;font-size:.9rem;padding:.3rem .9rem;border:1px solid var(--rule);border-radius:4px;background:var(--raised);color:var(--ink);cursor:pointer}
.evidence::backdrop{background:rgb(0 0 0 / .35)}
@media (max-width:40rem){.matrix table{min-width:68rem}.matrix thead th:first-child{width:6.9rem}.matrix tbody th button{display:inline-block;width:6.4rem;font-size:.78rem;line-height:1.25}}
@media print{@page{size:landscape}.sideways{display:none}.matrix table{min-width:0}.matrix th,.matrix td,.matrix tbody th button{font-size:6.5pt}.matrix thead th:first-child{width:8rem}.matrix thead th{font-size:5.5pt}.verdict{font-size:7pt}.matrix td button{border-width:1px;min-height:0}}
`;
