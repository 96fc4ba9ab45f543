/** Text that is HTML already; whatever else is put into a template is escaped. */
export class Markup {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** What a template takes: text, which is escaped; markup, which is not; or many of them, one after the other. */
export type Content = string | number | Markup | readonly Content[];

/** The only way to HTML here: a template whose values are escaped, in text and in attributes alike. */
export function html(strings: TemplateStringsArray, ...values: readonly Content[]): Markup {
  let text = strings[0] ?? '';
  for (const [index, value] of values.entries()) text += textOf(value) + (strings[index + 1] ?? '');
  return new Markup(text);
}

function textOf(value: Content): string {
  if (value instanceof Markup) return value.text;
  if (typeof value === 'string') return escapeText(value);
  if (typeof value === 'number') return `${value}`;
  return value.map(textOf).join('');
}

/** A name that may be broken behind its colon and its plus. */
export function breakable(name: string): Markup {
  return html`${name.split(/(?<=[:+])/u).map((part) => html`${part}<wbr>`)}`;
}

/** Text as HTML and XML take it between tags and between double or single quotes. */
function escapeText(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}

/** A name as an id of the page: lower case letters, digits and dashes. */
export function idOf(name: string): string {
  return name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/gu, '-')
    .replaceAll(/^-|-$/gu, '');
}
