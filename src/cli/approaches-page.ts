import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Marked } from 'marked';
import { html, idOf, Markup } from '../report/html/markup.js';
import { shellHtml } from '../report/html/page.js';
import { packageFolder } from '../scenario/package-folder.js';

/** Wide enough for the pictures, whose texts are then as large as those around them. */
const STYLE = 'main img{display:block;width:100%;height:auto;margin:1rem 0}';

/** docs/protection.md as a page of the reports: one file, its pictures inside. */
export function approachesPage(): string {
  const docs = join(packageFolder(), 'docs');
  const marked = new Marked({
    renderer: {
      heading({ tokens, depth, text }) {
        const inside = this.parser.parseInline(tokens);
        return depth === 1
          ? `<h1>${inside}</h1>\n`
          : `<h${depth} id="${headingId(text)}">${inside}</h${depth}>\n`;
      },
      link({ href, tokens }) {
        const inside = this.parser.parseInline(tokens);
        // Other files of the documentation are not beside the reports.
        return href.startsWith('#') ? `<a href="${href}">${inside}</a>` : inside;
      },
      image({ href, text }) {
        const picture = readFileSync(join(docs, href)).toString('base64');
        return html`<img alt="${text}" src="data:image/svg+xml;base64,${picture}">`.text;
      },
    },
  });
  const body = marked.parse(readFileSync(join(docs, 'protection.md'), 'utf8'), { async: false });
  return shellHtml({
    title: 'Approaches to protecting memory from DMA',
    description:
      'cdna-nic: what each approach to protecting memory from DMA is, where it comes from, and what it costs',
    style: STYLE,
    // Our own documentation, not text of a user.
    body: html`<main id="figures">${new Markup(body)}</main>
<footer><p>docs/protection.md of <code>cdna-nic</code>.</p></footer>`,
  });
}

/** A heading that begins with an approach is found by its name, any other by its words. */
function headingId(text: string): string {
  return idOf(/^`([^`]+)`/u.exec(text)?.[1] ?? text);
}
