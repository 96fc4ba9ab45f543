import type { Config, compile, TopLevelSpec } from 'vega-lite';
import { InvariantViolation } from '../../scheduler/errors.js';
import { escapeText, rewriteTags } from './html/markup.js';
import { textWidth } from './text-width.js';

/** A plot as Vega-Lite describes it, and what it says to those who do not see it. */
export interface Plot {
  /** One line; stands above the plot and is the title of the SVG. */
  readonly title: string;
  /** What is to be seen in it, in a sentence or two. */
  readonly description: string;
  /** A Vega-Lite 5 specification without title and description. */
  readonly spec: TopLevelSpec;
  /** Areas of the palette are hatched, each colour in its own way: for bars that only their colour would tell apart. */
  readonly hatched?: boolean;
}

/** Colours that those who see colours differently can tell apart (Okabe and Ito 2008). */
export const PLOT_COLOURS = ['#0072b2', '#e69f00', '#009e73', '#d55e00', '#cc79a7', '#56b4e9', '#000000'];

/** Dashes that go with the colours, so that lines can be told apart without them. */
export const PLOT_DASHES: readonly (readonly number[])[] = [
  [1, 0],
  [7, 2],
  [2, 2],
  [8, 2, 2, 2],
  [4, 4],
  [10, 4],
  [1, 3],
];

/** What is drawn beside the data. A page puts colours of its own, light and dark, in the place of these. */
export const PLOT_INK = {
  text: '#1b1b1b',
  quiet: '#555555',
  rule: '#8a8a8a',
  grid: '#dddddd',
} as const;

const CONFIG: Config = {
  // The plot as a whole has a name and a description; a label on every mark would be most of the file.
  aria: false,
  axis: {
    labelColor: PLOT_INK.quiet,
    titleColor: PLOT_INK.text,
    domainColor: PLOT_INK.rule,
    tickColor: PLOT_INK.rule,
    gridColor: PLOT_INK.grid,
    labelFontSize: 11,
    titleFontSize: 11,
    titleFontWeight: 'normal',
    labelLimit: 0,
    titleLimit: 0,
  },
  legend: {
    labelColor: PLOT_INK.text,
    titleColor: PLOT_INK.text,
    labelFontSize: 11,
    titleFontSize: 11,
    titleFontWeight: 'normal',
    labelLimit: 0,
    titleLimit: 0,
  },
  header: {
    labelColor: PLOT_INK.text,
    titleColor: PLOT_INK.text,
    labelFontSize: 11,
    titleFontSize: 11,
    titleFontWeight: 'normal',
    labelLimit: 0,
    titleLimit: 0,
  },
  title: { color: PLOT_INK.text, fontSize: 13 },
  text: { color: PLOT_INK.text, fontSize: 11 },
  view: { stroke: PLOT_INK.grid },
  // Vega-Lite draws these faint, which costs them their contrast.
  point: { opacity: 1 },
  circle: { opacity: 1 },
  square: { opacity: 1 },
  tick: { opacity: 1 },
};

/** Draws a plot as an SVG document of its own, on white: the same text for the same plot, on every machine. */
export async function plotSvg(plot: Plot): Promise<string> {
  const { head, body } = await draw(plot, {
    title: { text: plot.title, anchor: 'start' },
    background: 'white',
    padding: 8,
  });
  return `${head.replace(/>$/u, ' role="img">')}${describe(plot)}${body}\n`;
}

/** A drawn plot, in two parts: its opening tag, and what follows. */
export interface DrawnPlot {
  readonly head: string;
  readonly body: string;
}

/** Draws a plot without its title, to be put into something else. */
export async function drawPlot(plot: Plot): Promise<DrawnPlot> {
  // Widths of texts are estimated: a label at the edge may turn out a pixel wider.
  return draw(plot, { background: null, padding: 2 });
}

/** Title and description as SVG has them. */
function describe({ title, description }: Plot): string {
  return `<title>${escapeText(title)}</title><desc>${escapeText(description)}</desc>`;
}

type Logger = NonNullable<NonNullable<Parameters<typeof compile>[1]>['logger']>;

/** What Vega-Lite remarks is for whoever writes a specification, not for whoever asks for a report. */
const SILENT: Logger = {
  level: (() => SILENT) as unknown as Logger['level'],
  error: () => SILENT,
  warn: () => SILENT,
  info: () => SILENT,
  debug: () => SILENT,
};

/** Without a browser. What draws is imported when it is first needed, since it is larger than all the rest. */
async function draw({ spec }: Plot, around: object): Promise<DrawnPlot> {
  const [vegaLite, vega] = await Promise.all([import('vega-lite'), import('vega')]);
  const whole = { ...spec, ...around, config: { ...CONFIG, ...spec.config } } as TopLevelSpec;
  const { spec: drawing } = vegaLite.compile(whole, { logger: SILENT });
  // The types leave these two out. Names of clips are numbered through the life of the process, and widths of texts are measured
  // if there happens to be something that measures: a plot must depend on neither.
  const { resetSVGClipId, textMetrics } = vega as unknown as {
    readonly resetSVGClipId: () => void;
    readonly textMetrics: { width: (item: { fontSize?: number }, text: unknown) => number };
  };
  resetSVGClipId();
  textMetrics.width = ({ fontSize }, text) => textWidth(`${text ?? ''}`.trim(), fontSize ?? 11);
  const view = new vega.View(vega.parse(drawing), { renderer: 'none' });
  try {
    const svg = await view.toSVG();
    const [head = ''] = /^<svg[^>]*>/u.exec(svg) ?? [];
    if (head === '') throw new InvariantViolation('a plot that is no SVG');
    return { head, body: rounded(svg.slice(head.length)) };
  } finally {
    view.finalize();
  }
}

/** A twentieth of a pixel is not to be seen; the digits behind it would be most of the file. */
function rounded(svg: string): string {
  return rewriteTags(svg, (tag) =>
    tag.replaceAll(/ (?:d|transform|x|y|x2|y2)="[^"]*"/gu, (attribute) =>
      attribute.replaceAll(/\d+\.\d{2,}/gu, (number) => `${Number(Number(number).toFixed(1))}`),
    ),
  );
}
