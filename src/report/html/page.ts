import type { FigureOrigin, ReportFigure } from './figure.js';
import { commandHtml, figureHtml } from './figure-html.js';
import { html, Markup } from './markup.js';
import { STYLE } from './style.js';

/** Figures that belong together. */
export interface PageSection {
  /** Unique in its page; lower case and dashes. */
  readonly id: string;
  readonly title: string;
  /** Paragraphs before the figures. */
  readonly text: readonly string[];
  readonly figures: readonly ReportFigure[];
  readonly origin: FigureOrigin;
  /** Stands behind the figures. */
  readonly more?: Markup;
}

/** Another page in the same folder. */
export interface PageLink {
  readonly file: string;
  readonly text: string;
}

/** A report: what was asked, what came of it, and the figures that show it. */
export interface ReportPage {
  /** Name of the command that writes it. */
  readonly command: string;
  readonly title: string;
  readonly question: string;
  /** What was run, in a line. */
  readonly setting: string;
  /** The answer, a paragraph each. */
  readonly answer: readonly string[];
  /** The command line that gives the same again. */
  readonly repeat: string;
  readonly seed: number;
  readonly sections: readonly PageSection[];
  /** The figure that the page opens with, before its answer. */
  readonly opening?: { readonly figure: ReportFigure; readonly origin: FigureOrigin };
  /** Pages that lie beside this one. */
  readonly links?: readonly PageLink[];
  /** Besides what every page has. */
  readonly style?: string;
  /** A page of wide tables takes what width there is. */
  readonly broad?: boolean;
}

/**
 * A report as one HTML file that needs nothing else: no network, no script, no font of its own. The same page gives
 * the same text.
 */
export function pageHtml(page: ReportPage): string {
  const {
    command,
    title,
    question,
    setting,
    answer,
    repeat,
    seed,
    sections,
    opening,
    links = [],
    style = '',
    broad = false,
  } = page;
  const again = remaking(command, repeat);
  const body = html`<a class="skip" href="#figures">Skip to the figures</a>
<header${broad ? html` class="broad-header"` : ''}>
<p class="kind">cdna-nic ${command}</p>
<h1>${title}</h1>
<p class="question">${question}</p>
<p class="setting">${setting}</p>
${opening === undefined ? '' : figureHtml(opening.figure, { ...opening.origin, repeat: again })}<section class="answer" aria-labelledby="answer"><h2 id="answer">Answer</h2>${answer.map((text) => html`<p>${text}</p>`)}</section>
<div class="repeat"><span>The same again (seed ${seed})${again === repeat ? '' : `, into the folder ${PAGE_FOLDER}`}:</span>${commandHtml(again)}</div>
<nav aria-labelledby="contents"><h2 id="contents">Contents</h2>
<ul>${sections.map(contentsOf)}</ul>${linksHtml(links)}</nav>
</header>
<main id="figures" tabindex="-1"${broad ? html` class="broad"` : ''}>
${sections.map((section) => sectionHtml(section, remaking(command, section.origin.repeat)))}
</main>
<footer><p>Written by <code>cdna-nic ${command}</code>. All times are virtual; nothing here depends on when or where it was run.</p></footer>`;
  return shellHtml({ title, description: question, style, body });
}

/** A page around its body: head, style, nothing that is fetched. */
export function shellHtml({
  title,
  description,
  style,
  body,
}: {
  readonly title: string;
  readonly description: string;
  /** Besides what every page has. */
  readonly style: string;
  readonly body: Markup;
}): string {
  // The style is ours: it has neither tags nor text of a user in it.
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="description" content="${description}">
<title>${title}</title>
<link rel="icon" href="data:,">
<style>${new Markup(STYLE + style)}</style>
</head>
<body>
${body}
</body>
</html>
`.text;
}

/** Commands whose pages `--out` writes. */
const WITH_PAGES: readonly string[] = ['compare', 'run', 'attack', 'fairness', 'reproduce'];

/** Where a page's command line puts the page: not where it lies, since its text does not depend on that. */
const PAGE_FOLDER = 'out';

/** The command line that makes this page again, and not the text alone. */
function remaking(command: string, repeat: string): string {
  return WITH_PAGES.includes(command) && !repeat.includes(' --out ')
    ? `${repeat} --out ${PAGE_FOLDER}`
    : repeat;
}

function linksHtml(links: readonly PageLink[]): Markup | '' {
  if (links.length === 0) return '';
  return html`<p class="links">Beside this page: ${links.map(({ file, text }, at) => html`${at > 0 ? ', ' : ''}<a href="${file}">${text}</a>`)}</p>`;
}

function contentsOf({ id, title, figures }: PageSection): Markup {
  const inner =
    figures.length < 2
      ? ''
      : html`<ul>${figures.map((figure) => html`<li><a href="#${figure.id}">${figure.title}</a></li>`)}</ul>`;
  return html`<li><a href="#${id}">${title}</a>${inner}</li>`;
}

function sectionHtml({ id, title, text, figures, origin, more }: PageSection, again: string): Markup {
  return html`<section aria-labelledby="${id}">
<h2 id="${id}">${title}</h2>
${text.map((paragraph) => html`<p>${paragraph}</p>`)}
${figures.map((figure) => figureHtml(figure, { ...origin, repeat: again }))}${more ?? ''}
</section>
`;
}
