import {
  area,
  curveStepAfter,
  line,
  symbol,
  symbolCircle,
  symbolDiamond,
  symbolSquare,
  symbolTriangle,
} from 'd3-shape';
import { present } from '../../../scheduler/present.js';
import { html, type Markup } from '../html/markup.js';
import { LIGHT } from '../html/style.js';
import { textWidth } from '../text-width.js';
import {
  type Chart,
  DASHES,
  type LegendEntry,
  type Mark,
  type Panel,
  type Shape,
  type Style,
} from './chart.js';
import { placeLabels } from './place-labels.js';
import { endsOf, FONT_PIXELS, type LaidScale, layScale } from './scales.js';

/** Where a chart is to stand: the column of a page, or a phone. */
export type ChartWidth = 'wide' | 'narrow';

/** Width of a whole drawing, px. */
const PIXELS: Readonly<Record<ChartWidth, number>> = { wide: 720, narrow: 340 };
/** Panels side by side, the fullest rows first to be tried. */
const COLUMNS: Readonly<Record<ChartWidth, readonly number[]>> = { wide: [5, 4, 3], narrow: [2] };
const GAP = 14;
const MARGIN = 2;
const LINE_HEIGHT = 15;
const TITLE_HEIGHT = 19;
const SYMBOL_WIDTH = 22;
const ROW_HEIGHT = 19;
/** Names of rows that take more of the width than this stand above their rows. */
const MOST_NAME_SHARE = 0.45;
const SHAPES = {
  circle: symbolCircle,
  square: symbolSquare,
  diamond: symbolDiamond,
  triangle: symbolTriangle,
};

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

/** A chart as SVG within a page: its colours are the page's, its ids begin with `id`. */
export function chartMarkup(chart: Chart, width: ChartWidth, id: string): Markup {
  const drawing = new Drawing(chart, width, id);
  return html`<svg viewBox="0 0 ${PIXELS[width]} ${drawing.height}" width="${PIXELS[width]}" height="${drawing.height}" role="img" aria-labelledby="${id}-name ${id}-text"><title id="${id}-name">${chart.title}</title><desc id="${id}-text">${chart.description}</desc>${drawing.body}</svg>`;
}

/** A chart as an SVG document of its own, with its title, on white. */
export function chartSvg(chart: Chart, width: ChartWidth = 'wide'): string {
  const drawing = new Drawing(chart, width, 'chart');
  const height = drawing.height + TITLE_HEIGHT + 8;
  const { text } =
    html`<svg xmlns="http://www.w3.org/2000/svg" viewBox="-8 -${TITLE_HEIGHT + 4} ${PIXELS[width] + 16} ${height}" width="${PIXELS[width] + 16}" height="${height}" font-family="sans-serif" role="img"><title>${chart.title}</title><desc>${chart.description}</desc><rect x="-8" y="-${TITLE_HEIGHT + 4}" width="100%" height="100%" fill="#ffffff"/><text y="-6" font-size="13" font-weight="bold" fill="var(--ink)">${chart.title}</text>${drawing.body}</svg>
`;
  return text.replaceAll(/="var\(--([a-z0-9-]+)\)"/gu, (_, name: keyof typeof LIGHT) => `="${LIGHT[name]}"`);
}

/** Lays panels, axes and legend out, and draws them. */
class Drawing {
  readonly height: number;
  readonly body: Markup;
  readonly #chart: Chart;
  readonly #id: string;
  readonly #width: ChartWidth;
  readonly #hatches = new Set<number>();
  readonly #isAbove: boolean;
  readonly #panel: { readonly width: number; readonly height: number; readonly columns: number };

  constructor(chart: Chart, width: ChartWidth, id: string) {
    this.#chart = chart;
    this.#id = id;
    this.#width = width;
    const { x, y, panels, legend = [] } = chart;
    const rows = y.scale === 'rows' ? (y.rows ?? []) : [];
    const names = Math.max(0, ...rows.map(labelWidth));
    this.#isAbove = names > PIXELS[width] * MOST_NAME_SHARE;
    const labels = this.#isAbove ? 0 : rows.length > 0 ? names : this.#valueLabels();
    const left = MARGIN + (labels > 0 ? labels + 8 : 0) + (y.title === undefined ? 0 : LINE_HEIGHT);
    const columns = columnsOf(chart, width);
    const gap = y.own === true ? GAP + labels : GAP;
    const overhang = Math.max(8, this.#lastValueLabel() / 2);
    const each = Math.floor((PIXELS[width] - left - MARGIN - overhang - (columns - 1) * gap) / columns);
    const size = { width: each, height: this.#heightOf(each, rows.length), columns };
    this.#panel = size;
    const legendRows = legendLines(legend, PIXELS[width]);
    const top = legendRows.length * LINE_HEIGHT + (legend.length > 0 ? 6 : 0);
    const head = panels.some(({ title }) => title !== undefined) ? TITLE_HEIGHT : 4;
    const axisBelow = LINE_HEIGHT + 4;
    const parts: Markup[] = [];
    const lines = Math.ceil(panels.length / columns);
    const step = head + size.height + (x.own === true ? axisBelow + 6 : GAP / 2);
    for (const [index, panel] of panels.entries()) {
      const column = index % columns;
      const origin = {
        x: left + column * (each + gap),
        y: top + Math.floor(index / columns) * step + head,
      };
      const isLast = index + columns >= panels.length;
      parts.push(this.#drawPanel(panel, origin, column === 0 || y.own === true, isLast || x.own === true));
    }
    const bottom = top + (lines - 1) * step + head + size.height + axisBelow;
    const right = left + columns * each + (columns - 1) * gap;
    if (x.title !== undefined) {
      parts.push(label((left + right) / 2, bottom + 11, x.title, 'middle', 'ink'));
    }
    if (y.title !== undefined) {
      // Beside each row of panels if it fits there; otherwise once, in the middle of all.
      const middles =
        labelWidth(y.title) <= size.height
          ? Array.from({ length: lines }, (_, at) => top + at * step + head + size.height / 2)
          : [(top + bottom - axisBelow) / 2];
      for (const at of middles)
        parts.push(
          html`<text transform="translate(${MARGIN + 9},${short(at)}) rotate(-90)" text-anchor="middle" font-size="${FONT_PIXELS}" fill="var(--ink)">${y.title}</text>`,
        );
    }
    this.height = Math.ceil(bottom + (x.title === undefined ? 4 : LINE_HEIGHT + 3));
    this.body = html`${this.#patterns(legend)}${legendRows.map((row, at) =>
      row.map(({ entry, x: from }) => this.#legendEntry(entry, from, at * LINE_HEIGHT + 9)),
    )}${parts}`;
  }

  /** The widest label of values on the left. */
  #valueLabels(): number {
    const { y, panels } = this.#chart;
    const all = panels.flatMap(({ marks }) => marks);
    return Math.max(
      0,
      ...layScale(y, endsOf(y, all, 'y'), [200, 0], 'y').ticks.map(({ text }) => labelWidth(text)),
    );
  }

  /** The label of the last value below: it is centred on the right end, and half of it lies beyond. */
  #lastValueLabel(): number {
    const { x, panels } = this.#chart;
    const all = panels.flatMap(({ marks }) => marks);
    return labelWidth(layScale(x, endsOf(x, all, 'x'), [0, 200], 'x').ticks.at(-1)?.text ?? '');
  }

  #heightOf(width: number, rows: number): number {
    const { height, panels, rowHeight = ROW_HEIGHT } = this.#chart;
    if (rows > 0) return rows * (this.#isAbove ? Math.max(36, rowHeight) : rowHeight);
    if (height !== undefined) return height;
    if (panels.length === 1) return this.#width === 'wide' ? 280 : 230;
    return Math.round(Math.min(170, Math.max(85, width * 0.68)));
  }

  #drawPanel(panel: Panel, origin: { x: number; y: number }, hasLeft: boolean, hasBelow: boolean): Markup {
    const { x, y, panels } = this.#chart;
    const { width, height } = this.#panel;
    const all = panels.flatMap(({ marks }) => marks);
    const xEnds = withRoom(
      x,
      endsOf(x, x.own === true ? panel.marks : all, 'x'),
      x.own === true ? panel.marks : all,
      width,
    );
    const across = layScale(x, xEnds, [0, width], 'x');
    const down = layScale(y, endsOf(y, y.own === true ? panel.marks : all, 'y'), [height, 0], 'y');
    const grid = html`<g stroke="var(--grid)">${
      x.grid === false || x.scale === 'rows'
        ? ''
        : across.ticks.map(({ at }) => html`<path d="M${short(at)},0v${height}"/>`)
    }${y.grid === false || y.scale === 'rows' ? '' : down.ticks.map(({ at }) => html`<path d="M0,${short(at)}h${width}"/>`)}</g>`;
    const marks = panel.marks.map((mark) => this.#mark(mark, across, down));
    const labels = this.#labels(panel.marks, across, down);
    const named = (kind: string, inside: readonly Markup[]) =>
      inside.length === 0 ? '' : html`<g class="${kind}">${inside}</g>`;
    const of = (isGround: boolean) =>
      marks.filter((_, index) => (panel.marks[index]?.kind === 'band') === isGround);
    return html`<g transform="translate(${short(origin.x)},${short(origin.y)})">${grid}${named('ground', of(true))}${named('data', of(false))}${labels}<path d="M0,${height}h${width}${y.scale === 'rows' ? '' : `M0,0v${height}`}" fill="none" stroke="var(--rule)"/>${
      panel.title === undefined ? '' : label(0, -6, fitting(panel.title, width), 'start', 'ink', true)
    }${hasBelow ? this.#apart(across.ticks).map(({ at, text }) => label(at, height + 13, text, 'middle', 'soft')) : ''}${
      hasLeft || this.#isAbove ? down.ticks.map(({ at, text }) => this.#rowLabel(at, text, down)) : ''
    }</g>`;
  }

  /** Labels below a panel that do not reach into the panels beside it, whose own labels stand at the same height. */
  #apart(ticks: LaidScale['ticks']): LaidScale['ticks'] {
    const { width, columns } = this.#panel;
    if (columns === 1) return ticks;
    return ticks.filter(({ at, text }) => {
      const half = labelWidth(text) / 2;
      return at - half >= -GAP / 2 && at + half <= width + GAP / 2;
    });
  }

  #rowLabel(at: number, text: string, { band }: LaidScale): Markup {
    if (!this.#isAbove) return label(-6, at + 3.8, text, 'end', band > 0 ? 'ink' : 'soft');
    return label(2, at - 8, fitting(text, this.#panel.width - 4), 'start', 'ink');
  }

  #mark(mark: Mark, across: LaidScale, down: LaidScale): Markup {
    const { width, height } = this.#panel;
    // A name above its row takes the upper half of it.
    const lower = this.#isAbove ? 7 : 0;
    switch (mark.kind) {
      case 'line': {
        const path = line<readonly [number, number | undefined]>()
          .digits(1)
          .defined(([, y]) => y !== undefined)
          .x(([x]) => across.at(x))
          .y(([, y]) => down.at(present(y)));
        if (mark.steps === true) path.curve(curveStepAfter);
        if (mark.points.length === 0) return html``;
        return html`<path d="${path(mark.points) ?? ''}" fill="none" stroke="${colour(mark.style)}" stroke-width="${mark.width ?? 1.7}"${dashed(mark.dash)}/>`;
      }
      case 'band': {
        const path = area<readonly [number, number, number]>()
          .digits(1)
          .x(([x]) => across.at(x))
          .y0(([, low]) => down.at(low))
          .y1(([, , high]) => down.at(high));
        if (mark.steps === true) path.curve(curveStepAfter);
        return html`<path d="${path(mark.points) ?? ''}" fill="${colour(mark.style)}" fill-opacity="${mark.opacity ?? 1}"/>`;
      }
      case 'bar':
        return this.#bar(mark, across, down, lower);
      case 'point': {
        const path = symbol(SHAPES[mark.shape ?? 'circle'], mark.hollow === true ? 42 : 50).digits(1)() ?? '';
        const fill = mark.hollow === true ? 'none' : colour(mark.style);
        return html`<path transform="translate(${short(across.at(mark.x))},${short(down.at(mark.y) + lower)})" d="${path}" fill="${fill}" stroke="${colour(mark.style)}" stroke-width="1.5"/>`;
      }
      case 'rule': {
        const fromX = mark.x === undefined ? 0 : across.at(mark.x);
        const fromY = (mark.y === undefined ? height : down.at(mark.y)) + (mark.y === undefined ? 0 : lower);
        const toX = mark.toX === undefined ? (mark.x === undefined ? width : fromX) : across.at(mark.toX);
        const toY = mark.toY === undefined ? (mark.y === undefined ? 0 : fromY) : down.at(mark.toY);
        return html`<path d="M${short(fromX)},${short(fromY)}L${short(toX)},${short(toY)}" stroke="${colour(mark.style)}" stroke-width="${mark.width ?? 1.2}"${dashed(mark.dash)}/>`;
      }
      case 'label':
        return html``;
      default: {
        const at = down.at(mark.y) + lower + slotShift(mark.slot, down.band);
        return label(across.at(mark.x) + 6, at + 3.8, mark.text, 'start', 'ink');
      }
    }
  }

  /** Texts that belong to points, placed together so that none lies on another. */
  #labels(marks: readonly Mark[], across: LaidScale, down: LaidScale): Markup | '' {
    const found = marks.flatMap((mark) =>
      mark.kind === 'label' ? [{ x: across.at(mark.x), y: down.at(mark.y), text: mark.text }] : [],
    );
    if (found.length === 0) return '';
    const placed = placeLabels(found, this.#panel, labelWidth);
    return html`<g class="labels">${placed.map(({ leader }, index) => {
      const { x, y } = present(found[index]);
      return leader === undefined
        ? ''
        : html`<path d="M${short(x)},${short(y)}L${short(leader.x)},${short(leader.y)}" stroke="var(--rule)" stroke-width="1"/>`;
    })}${placed.map(({ left, middle }, index) => label(left, middle + 3.8, present(found[index]).text, 'start', 'ink'))}</g>`;
  }

  #bar(mark: Mark & { readonly kind: 'bar' }, across: LaidScale, down: LaidScale, lower: number): Markup {
    const lies = down.band > 0;
    const { band } = lies ? down : across;
    const thick = (this.#isAbove ? 14 : band) / (mark.slot?.[1] ?? 1);
    const centre = (lies ? down.at(mark.row) + lower : across.at(mark.row)) + slotShift(mark.slot, band);
    const along = lies ? across : down;
    const ends = [along.at(mark.from), along.at(mark.to)] as const;
    const [least, most] = [Math.min(...ends), Math.max(...ends)];
    const box = lies
      ? { x: least, y: centre - thick / 2, width: most - least, height: thick }
      : { x: centre - thick / 2, y: least, width: thick, height: most - least };
    const paint =
      mark.pale === true
        ? html`fill="${colour(mark.style)}" fill-opacity="0.25" stroke="${colour(mark.style)}" stroke-width="1.4"`
        : html`fill="${this.#filled(mark.style)}"`;
    return html`<rect x="${short(box.x)}" y="${short(box.y)}" width="${short(box.width)}" height="${short(box.height)}" ${paint}/>`;
  }

  #filled(style: Style): string {
    if (typeof style !== 'number' || style === 1) return colour(style);
    this.#hatches.add(style);
    return `url(#${this.#id}-hatch-${style})`;
  }

  #patterns(legend: readonly LegendEntry[]): Markup | '' {
    for (const { as, style } of legend) if (as === 'bar') this.#filled(style);
    if (this.#hatches.size === 0) return '';
    return html`<defs>${[...this.#hatches]
      .sort()
      .map(
        (number) =>
          html`<pattern id="${this.#id}-hatch-${number}" width="8" height="8" patternUnits="userSpaceOnUse"><rect width="8" height="8" fill="var(--series-${number})"/><path d="${HATCHES[number - 1] ?? ''}" fill="none" stroke="var(--hatch)" stroke-width="1.2"/></pattern>`,
      )}</defs>`;
  }

  #legendEntry({ text, style, as, dash, width, hollow }: LegendEntry, x: number, y: number): Markup {
    const sign = () => {
      if (as === 'bar')
        return html`<rect x="${x}" y="${y - 8}" width="14" height="10" fill="${this.#filled(style)}"/>`;
      if (as === 'line')
        return html`<path d="M${x},${y - 3.5}h16" stroke="${colour(style)}" stroke-width="${width ?? 2}"${dashed(dash)}/>`;
      return html`<path transform="translate(${x + 8},${y - 3.5})" d="${shapePath(as)}" fill="${hollow === true ? 'none' : colour(style)}" stroke="${colour(style)}" stroke-width="1.5"/>`;
    };
    return html`${sign()}${label(x + SYMBOL_WIDTH, y, text, 'start', 'ink')}`;
  }
}

/** Values as lengths along an axis, and back. */
const ALONG = {
  linear: [(value: number) => value, (length: number) => length],
  log: [Math.log, Math.exp],
  sqrt: [Math.sqrt, (length: number) => length ** 2],
  symlog: [Math.log1p, Math.expm1],
} as const;

/** The ends of an axis across, so far apart that texts behind marks are inside. */
function withRoom(
  { scale = 'linear' }: Chart['x'],
  [least, most]: readonly [number, number],
  marks: readonly Mark[],
  width: number,
): readonly [number, number] {
  if (scale === 'rows' || (least < 0 && scale !== 'log')) return [least, most];
  // Room is counted along the axis, whatever its scale.
  const [to, from] = ALONG[scale];
  let end = to(most);
  for (const mark of marks) {
    if (mark.kind !== 'text' || typeof mark.x !== 'number' || (scale === 'log' && mark.x <= 0)) continue;
    const room = Math.max(width / 3, width - labelWidth(mark.text) - 8);
    end = Math.max(end, to(least) + ((to(mark.x) - to(least)) * width) / room);
  }
  return [least, end === to(most) ? most : from(end)];
}

function columnsOf({ panels, columns, narrowColumns, y }: Chart, width: ChartWidth): number {
  const wanted = width === 'wide' ? columns : (narrowColumns ?? (y.scale === 'rows' ? 1 : undefined));
  if (wanted !== undefined) return Math.min(wanted, Math.max(1, panels.length));
  if (panels.length <= (COLUMNS[width][0] ?? 1)) return Math.max(1, panels.length);
  const empty = (choice: number) => (choice - (panels.length % choice)) % choice;
  return COLUMNS[width].reduce((best, choice) => (empty(choice) < empty(best) ? choice : best));
}

function legendLines(legend: readonly LegendEntry[], width: number) {
  const rows: { readonly entry: LegendEntry; readonly x: number }[][] = [];
  let x = MARGIN;
  for (const entry of legend) {
    const wide = SYMBOL_WIDTH + labelWidth(entry.text) + 14;
    if (rows.length === 0 || x + wide > width) {
      rows.push([]);
      x = MARGIN;
    }
    rows.at(-1)?.push({ entry, x });
    x += wide;
  }
  return rows;
}

function slotShift(slot: readonly [number, number] | undefined, band: number): number {
  if (slot === undefined) return 0;
  const [index, of] = slot;
  return ((index + 0.5) / of - 0.5) * band;
}

function shapePath(shape: Shape): string {
  return symbol(SHAPES[shape], 50).digits(1)() ?? '';
}

function label(
  x: number,
  y: number,
  text: string,
  anchor: 'start' | 'middle' | 'end',
  ink: 'ink' | 'soft',
  isBold = false,
): Markup {
  return html`<text x="${short(x)}" y="${short(y)}" font-size="${FONT_PIXELS}" fill="var(--${ink})"${
    anchor === 'start' ? '' : html` text-anchor="${anchor}"`
  }${isBold ? html` font-weight="bold"` : ''}>${text}</text>`;
}

function dashed(dash = 0): Markup | '' {
  const pattern = DASHES[dash] ?? '';
  return pattern === '' ? '' : html` stroke-dasharray="${pattern}"`;
}

function colour(style: Style): string {
  return typeof style === 'number' ? `var(--series-${style})` : `var(--${style})`;
}

/** As much of a text as fits. */
function fitting(text: string, pixels: number): string {
  if (labelWidth(text) <= pixels) return text;
  let end = text.length - 1;
  while (end > 0 && labelWidth(`${text.slice(0, end)}…`) > pixels) end -= 1;
  return `${text.slice(0, end)}…`;
}

function labelWidth(text: string): number {
  return textWidth(text, FONT_PIXELS);
}

/** A tenth of a pixel is not to be seen. */
function short(value: number): number {
  return Number(value.toFixed(1)) + 0;
}
