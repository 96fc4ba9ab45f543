import type { TopLevelSpec } from 'vega-lite';

/** A plot as Vega-Lite describes it, and what it says to those who do not see it. */
export interface Plot {
  /** One line; stands above the plot and is the title of the SVG. */
  readonly title: string;
  /** What is to be seen in it, in a sentence or two. */
  readonly description: string;
  /** A Vega-Lite 5 specification without title and description. */
  readonly spec: TopLevelSpec;
}

/** Colours that those who see colours differently can tell apart (Okabe and Ito 2008). */
export const PLOT_COLOURS = ['#0072b2', '#e69f00', '#009e73', '#d55e00', '#cc79a7', '#56b4e9', '#000000'];

/**
 * Draws a plot as an SVG document: the same text for the same plot, on every machine, without a browser. What draws
 * is imported when it is first needed, since it is larger than all the rest.
 */
export async function plotSvg({ title, description, spec }: Plot): Promise<string> {
  const [{ compile }, vega] = await Promise.all([import('vega-lite'), import('vega')]);
  const { spec: drawing } = compile({
    ...spec,
    title: { text: title, anchor: 'start' },
    description,
    background: 'white',
    padding: 8,
  } as TopLevelSpec);
  // Names of clips are numbered through the life of the process; a plot must not depend on those before it. (The types leave it out.)
  const { resetSVGClipId } = vega as unknown as { readonly resetSVGClipId: () => void };
  resetSVGClipId();
  const view = new vega.View(vega.parse(drawing), { renderer: 'none' });
  try {
    const svg = await view.toSVG();
    const [head = ''] = /^<svg[^>]*>/u.exec(svg) ?? [];
    if (head === '') throw new Error('a plot that is no SVG');
    const labelled = head.replace(/>$/u, ' role="img">');
    return `${labelled}<title>${escaped(title)}</title><desc>${escaped(description)}</desc>${rounded(svg.slice(head.length))}\n`;
  } finally {
    view.finalize();
  }
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

/** A hundredth of a pixel is not to be seen; the digits behind it would be most of the file. */
function rounded(svg: string): string {
  return svg.replaceAll(/ (?:d|transform|x|y|x2|y2)="[^"]*"/gu, (attribute) =>
    attribute.replaceAll(/\d+\.\d{3,}/gu, (number) => `${Number(Number(number).toFixed(2))}`),
  );
}
