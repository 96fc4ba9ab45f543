import type { TopLevelSpec } from 'vega-lite';
import { PLOT_COLOURS, PLOT_INK, type Plot } from '../plot.js';
import { textWidth } from '../text-width.js';
import { legendAbove } from './panels.js';
import { bothWidths, PLOT_PIXELS, type PlotWidth } from './width.js';

/** Bars that lie, one a row, each made of parts. */
export interface StackedBars {
  readonly title: string;
  readonly description: string;
  /** What a part is, in the order in which they stand in a bar. At most seven. */
  readonly parts: readonly string[];
  /** Of the palette, one a part, as indices; in its order if they are not given. */
  readonly colours?: readonly number[];
  readonly rows: readonly {
    readonly name: string;
    /** One a part. */
    readonly values: readonly number[];
    /** Stands at the end of the bar. */
    readonly label: string;
  }[];
  /** Of the axis, with its unit. */
  readonly axis: string;
  /** Where the axis ends; as far as the bars go if it is not given. */
  readonly most?: number;
}

const ROW_PIXELS = 21;
const FONT_PIXELS = 11;

/** Parts are told apart by their hatching too, and by their order, which is that of the legend. */
export function stackedBars(bars: StackedBars) {
  return bothWidths((width) => draw(bars, width));
}

function draw(bars: StackedBars, width: PlotWidth): Plot {
  const { title, description, parts, rows, axis, most } = bars;
  const colours = parts.map((_, index) => PLOT_COLOURS[bars.colours?.[index] ?? index]);
  const sums = rows.map(({ values }) => values.reduce((sum, value) => sum + value, 0));
  const { left, stretch } = rowLabels(
    rows.map(({ name }) => name),
    rows.map(({ label }) => label),
    width,
  );
  const end = (most ?? Math.max(1e-9, ...sums)) * stretch;
  const values = rows.flatMap(({ name, values: own }) =>
    own.map((value, index) => ({ name, part: parts[index], index, value: rounded(value) })),
  );
  const ends = rows.map(({ name, label }, index) => ({ name, label, sum: rounded(sums[index] ?? 0) }));
  const y = {
    field: 'name',
    type: 'nominal' as const,
    sort: rows.map(({ name }) => name),
    title: null,
    axis: { ticks: false, domain: false, labelPadding: 6, labelColor: PLOT_INK.text },
  };
  const x = {
    type: 'quantitative' as const,
    title: axis,
    scale: { domain: [0, end], nice: false },
    axis: { tickCount: width === 'wide' ? 8 : 4 },
  };
  const spec = {
    width: PLOT_PIXELS[width],
    height: { step: ROW_PIXELS },
    autosize: { type: 'fit-x', contains: 'padding' },
    layer: [
      {
        data: { values },
        mark: { type: 'bar', height: { band: 0.74 } },
        encoding: {
          y,
          x: { ...x, field: 'value', stack: 'zero' },
          order: { field: 'index' },
          color: {
            field: 'part',
            type: 'nominal',
            sort: null,
            scale: { domain: parts, range: colours },
            legend: parts.length > 1 ? legendAbove(parts, width, left) : null,
          },
        },
      },
      {
        data: { values: ends },
        mark: { type: 'text', align: 'left', dx: 5, color: PLOT_INK.text },
        encoding: { y, x: { ...x, field: 'sum' }, text: { field: 'label' } },
      },
    ],
    config: { view: { stroke: null } },
  };
  return { title, description, spec: spec as TopLevelSpec, hatched: parts.length > 1 };
}

/**
 * What texts around lying bars take: px left of the axis for their names, and how much longer than the longest bar
 * the axis has to be so that what stands at its end is inside.
 */
export function rowLabels(
  names: readonly string[],
  ends: readonly string[],
  width: PlotWidth,
): { readonly left: number; readonly stretch: number } {
  const widest = (texts: readonly string[]) =>
    Math.max(0, ...texts.map((text) => textWidth(text, FONT_PIXELS)));
  const left = widest(names) + 14;
  const room = PLOT_PIXELS[width] - left;
  return { left, stretch: room / Math.max(room / 3, room - widest(ends) - 10) };
}

function rounded(value: number): number {
  return Number(value.toPrecision(6));
}
