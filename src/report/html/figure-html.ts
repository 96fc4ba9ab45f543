import { chartMarkup } from '../charts/draw.js';
import type { FigureOrigin, FigureParameter, FigureTable, ReportFigure } from './figure.js';
import { breakable, html, type Markup } from './markup.js';

/** A table of more rows than these is closed at first. */
const OPEN_ROWS = 16;

/** A figure: what it shows, the chart, its numbers, how to have it again, its parameters. */
export function figureHtml(figure: ReportFigure, origin: FigureOrigin): Markup {
  const { id, title, sentence, chart, table, parameters = [], body, isFolded = false } = figure;
  const drawn =
    chart === undefined
      ? ''
      : html`<div class="plot wide">${chartMarkup(chart, 'wide', `${id}-wide`)}</div>
<div class="plot narrow">${chartMarkup(chart, 'narrow', `${id}-narrow`)}</div>`;
  const numbers =
    chart === undefined || isFolded
      ? tableHtml(title, table)
      : html`<details${table.rows.length > OPEN_ROWS ? '' : html` open`}><summary>The numbers as a table</summary>${tableHtml(title, table)}</details>`;
  const again = html`<div class="repeat"><span>Again:</span>${commandHtml(origin.repeat)}</div>
<details class="parameters"><summary>Parameters behind it</summary>${parametersHtml([...origin.parameters, ...parameters])}</details>`;
  return html`<figure id="${id}">
<figcaption><h3>${title}</h3><p>${sentence}</p></figcaption>
${drawn}
${body ?? numbers}
${isFolded ? html`<details><summary>The command, the parameters</summary>${again}</details>` : again}
</figure>
`;
}

/** A command line to copy. */
export function commandHtml(command: string): Markup {
  return html`<pre><code>${command}</code></pre>`;
}

function parametersHtml(parameters: readonly FigureParameter[]): Markup {
  return html`<dl>${parameters.map(({ name, value }) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl>`;
}

/** Characters of a cell that is text to be read, and may have several lines. */
const LONG_TEXT = 28;
/** A table of more rows scrolls up and down too. */
const TALL_ROWS = 30;

/** A table in a box that scrolls by itself, also with the keyboard, so that the page never gets wider than the window. */
function tableHtml(label: string, { heads, rows, note }: FigureTable): Markup {
  const isNumber = heads.map((_, column) => column > 0 && rows.every((row) => looksNumeric(row[column])));
  const alignment = (column: number) => (isNumber[column] === true ? html` class="number"` : '');
  const cell = (text: string, column: number) => {
    const kind = text.length > LONG_TEXT ? html` class="long"` : alignment(column);
    return column === 0 ? html`<th scope="row"${kind}>${text}</th>` : html`<td${kind}>${text}</td>`;
  };
  return html`<div class="scroll${rows.length > TALL_ROWS ? ' tall' : ''}" tabindex="0" role="region" aria-label="Table: ${label}"><table>
<thead><tr>${heads.map((head, column) => html`<th scope="col"${alignment(column)}>${breakable(head)}</th>`)}</tr></thead>
<tbody>${rows.map((row) => html`<tr>${row.map(cell)}</tr>\n`)}</tbody>
</table></div>${note === undefined ? '' : html`<p class="note">${note}</p>`}`;
}

/** Numbers stand right: with signs, separators, units of a letter or two, ranges in brackets, counts of counts; or a dash for none. */
function looksNumeric(text: string | undefined): boolean {
  return (
    text === undefined ||
    /^(?:[-+]?[\d.,]+(?: ?(?:%|[a-zA-Z]{1,4}))?(?: \([^)]*\))?\*?|\d+ of \d+|-|)$/u.test(text)
  );
}
