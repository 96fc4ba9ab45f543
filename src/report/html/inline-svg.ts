import { type DrawnPlot, drawPlot, PLOT_COLOURS, PLOT_INK, type Plot } from '../plot.js';
import { html, Markup, rewriteTags } from './markup.js';

/** What each colour of a plot is called in the page's style, where it has a value for light and one for dark. */
const VARIABLE_OF = new Map<string, string>([
  ...PLOT_COLOURS.map((colour, index) => [colour, `--series-${index + 1}`] as const),
  [PLOT_INK.text, '--ink'],
  [PLOT_INK.quiet, '--soft'],
  [PLOT_INK.rule, '--rule'],
  [PLOT_INK.grid, '--grid'],
  // Vega's own, where a specification says nothing.
  ['black', '--ink'],
  ['#000', '--ink'],
  ['#333', '--ink'],
  ['#4c78a8', '--series-1'],
  ['#888', '--rule'],
  ['#999', '--rule'],
  ['grey', '--rule'],
  ['gray', '--rule'],
  ['#ddd', '--grid'],
  ['white', '--paper'],
  ['#fff', '--paper'],
]);

/** Strokes of the hatching that goes with each colour of the palette, in a tile of 8 px; the first has none. */
const HATCHES: readonly string[] = [
  '',
  'M-2,2l4,-4M0,8l8,-8M6,10l4,-4',
  'M0,2h8M0,6h8',
  'M-2,6l4,4M0,0l8,8M6,-2l4,4',
  'M2,0v8M6,0v8',
  'M0,4h8M4,0v8',
  'M0,0l8,8M0,8l8,-8',
];

/**
 * A plot as SVG within a page: its colours follow the page, its ids begin with `id`, and it has its name and
 * description for those who do not see it.
 */
export async function inlineSvg(plot: Plot, id: string): Promise<Markup> {
  const drawn = await drawPlot(plot);
  const { width, height } = sizeOf(drawn);
  const hatched = plot.hatched === true;
  // What a guest is called may look like an attribute, and stays what it is.
  const body = rewriteTags(withoutUnseen(drawn.body), (tag) =>
    ownNames(themed(hatched ? hatchedFill(lean(tag)) : lean(tag)), id),
  ).replace(/<\/svg>$/u, '');
  const hatches = hatched ? hatchPatterns(id, body) : '';
  return html`<svg viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-labelledby="${id}-name ${id}-text"><title id="${id}-name">${plot.title}</title><desc id="${id}-text">${plot.description}</desc>${hatches}${new Markup(body)}</svg>`;
}

function sizeOf({ head }: DrawnPlot): { readonly width: number; readonly height: number } {
  const [, width = '0', height = '0'] = /viewBox="0 0 (\S+) (\S+)"/u.exec(head) ?? [];
  return { width: Number(width), height: Number(height) };
}

/** Without elements that are not to be seen: frames that are not drawn, and the dash around the filled mark of a legend, where it is a notch. */
function withoutUnseen(svg: string): string {
  return svg
    .replaceAll(/<path class="foreground"[^>]*display="none"[^>]*\/>/gu, '')
    .replaceAll(/<path class="background"(?![^>]*(?:fill|stroke)=)[^>]*\/>/gu, '')
    .replaceAll(/(role-legend-symbol"><path [^>]*fill="[^>]*) stroke-dasharray="[^"]*"/gu, '$1');
}

/** A tag without attributes that a page does not need: names of roles, fonts that are the page's, what is so anyway. */
function lean(tag: string): string {
  return tag
    .replaceAll(/ (?:role|aria-[a-z]+|pointer-events|font-family|stroke-miterlimit)="[^"]*"/gu, '')
    .replaceAll(/ (?:stroke-width|opacity)="1"/gu, '')
    .replaceAll(' font-weight="normal"', '');
}

/** A tag whose fill, if it is of the palette, is the hatching that goes with it. */
function hatchedFill(tag: string): string {
  return tag.replaceAll(/ fill="([^"]*)"/gu, (whole, colour: string) => {
    const index = PLOT_COLOURS.indexOf(colour);
    return index < 0 ? whole : ` fill="url(#hatch-${index + 1})"`;
  });
}

/** A tag with colours by the names that the page gives them. */
function themed(tag: string): string {
  return tag.replaceAll(/ (fill|stroke)="([^"]+)"/gu, (whole, attribute: string, colour: string) => {
    const variable = VARIABLE_OF.get(colour.toLowerCase());
    return variable === undefined ? whole : ` ${attribute}="var(${variable})"`;
  });
}

/** What is referred to is found by its id, and ids are the page's. */
function ownNames(tag: string, id: string): string {
  return tag
    .replaceAll(/ id="([^"]+)"/gu, ` id="${id}-$1"`)
    .replaceAll(/url\(#([^)]+)\)/gu, `url(#${id}-$1)`);
}

function hatchPatterns(id: string, body: string): Markup {
  const used = HATCHES.map((strokes, index) => ({ strokes, number: index + 1 })).filter(({ number }) =>
    body.includes(`url(#${id}-hatch-${number})`),
  );
  return html`<defs>${used.map(
    ({ strokes, number }) =>
      html`<pattern id="${id}-hatch-${number}" width="8" height="8" patternUnits="userSpaceOnUse"><rect width="8" height="8" fill="var(--series-${number})"/>${
        strokes === ''
          ? ''
          : html`<path d="${strokes}" fill="none" stroke="var(--hatch)" stroke-width="1.2"/>`
      }</pattern>`,
  )}</defs>`;
}
