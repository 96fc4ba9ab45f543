import type { Attack } from '../../guests/hostile/index.js';
import { html, idOf, type Markup } from '../report/html/markup.js';
import { compareCell } from './compare-cell.js';
import { EXPECTATIONS } from './expectations.js';
import type { Cell } from './matrix.js';
import { comparisonText } from './matrix-text.js';
import { reasonsFor } from './reasons.js';
import { type Evidence, VERDICTS } from './verdict.js';

/** Id of what a cell opens. */
export function evidenceId({ attack, approach }: Pick<Cell, 'attack' | 'approach'>): string {
  return `evidence-${idOf(attack)}--${idOf(approach)}`;
}

/** Id of what the name of an attack opens. */
export function attackId({ name }: Attack): string {
  return `attack-${idOf(name)}`;
}

/** A verdict as a sentence has it. */
export function verdictText(verdict: string): string {
  return verdict.replaceAll('-', ' ').replace('set up', 'set-up');
}

/** All that is known of one cell, in a box that its button opens. */
export function evidenceHtml(cell: Cell): Markup {
  const { attack, approach, verdict, evidence } = cell;
  const comparison = compareCell(cell);
  const notes = evidence.facts?.notes ?? [];
  return box(
    evidenceId(cell),
    html`${attack} on ${approach}: ${verdictText(verdict)}`,
    html`<p>${evidence.sentence}</p>${
      notes.length === 0 ? '' : html`<p>On the way: ${notes.join('; ')}.</p>`
    }${factsHtml(evidence)}${comparison === undefined ? '' : html`<p>${comparisonText(comparison)}</p>`}`,
  );
}

/** What an attack does, in a box that its name opens. */
export function attackHtml(attack: Attack): Markup {
  const expectation = EXPECTATIONS.find((candidate) => candidate.attack === attack.name);
  const expected =
    expectation === undefined
      ? ''
      : html`<p>Expected to get through ${
          expectation.succeedsOn.length === 0 ? 'nowhere' : html`on ${expectation.succeedsOn.join(', ')}`
        } ([${expectation.mark}] ${expectation.source}).</p>${VERDICTS.flatMap((verdict) => {
          const reasons = reasonsFor(expectation.because, verdict);
          return reasons.map(({ approaches, because }) => {
            const rest = reasons.length > 1 ? ' on the others' : '';
            const where = approaches.length > 0 ? ` on ${approaches.join(', ')}` : rest;
            return html`<p>${verdictText(verdict)}${where}: ${because}.</p>`;
          });
        })}`;
  return box(
    attackId(attack),
    html`${attack.name}`,
    html`<p>${sentence(attack.meaning)}</p><p>By a ${attack.by}, against ${attack.target}.</p>${expected}`,
  );
}

function box(id: string, title: Markup, body: Markup): Markup {
  return html`<div popover id="${id}" class="evidence" role="dialog" aria-labelledby="${id}-name">
<h4 id="${id}-name">${title}</h4>${body}<p><button type="button" popovertarget="${id}" popovertargetaction="hide" autofocus>Close</button></p></div>
`;
}

function factsHtml({ facts, servedShare }: Evidence): Markup | '' {
  if (facts === undefined) return '';
  const counts = (byName: Readonly<Record<string, number>>) =>
    Object.entries(byName)
      .map(([name, count]) => `${name} ${count}`)
      .join(', ');
  const { service } = facts;
  const rows: [name: string, value: string][] = [
    ['bytes changed', facts.changed.map(({ what, bytes }) => `${what}: ${bytes}`).join('; ')],
    [
      'leaked',
      facts.leaked
        .map(
          ({ what, to, frames }) => `${what}, to the ${to}, ${frames === 1 ? 'once' : `in ${frames} frames`}`,
        )
        .join('; '),
    ],
    ['damaged frames', some(facts.damagedFrames)],
    ['forged frames', some(facts.impostorFrames)],
    ['refused at set-up', counts(facts.setUpRefusals)],
    ['stopped by the MMU', some(facts.pageFaults)],
    ['pages withheld', some(facts.withheldPages)],
    ['accesses denied', some(facts.deniedAccesses)],
    ['faults of the card', counts(facts.cardFaults)],
    ['frames dropped', counts(facts.drops)],
    [
      'the victim',
      `sent ${service.sent}, received ${service.received} frames; longest silence ${(service.longestSilenceNs / 1000).toFixed(0)} us${
        servedShare === undefined ? '' : `; served ${(servedShare * 100).toFixed(0)} %`
      }`,
    ],
  ];
  const shown = rows.filter(([, value]) => value !== '');
  return html`<dl>${shown.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl>`;
}

function some(count: number): string {
  return count === 0 ? '' : `${count}`;
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}
