import type { TopLevelSpec } from 'vega-lite';
import { PLOT_COLOURS, PLOT_INK, type Plot } from '../plot.js';
import { legendAbove } from './panels.js';
import { bothWidths, PLOT_PIXELS, type PlotWidth } from './width.js';

/** Bars that lie, one a row, each made of parts. */
export interface StackedBars {
  readonly title: string;
  readonly description: string;
  /** What a part is, in the order in which they stand in a bar. At most seven. */
  readonly parts: readonly string[];
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
/** Room for what stands at the end of the longest bar, as a fraction of the axis. */
const LABEL_ROOM: Readonly<Record<PlotWidth, number>> = { wide: 1.1, narrow: 1.28 };

/** Parts are told apart by their hatching too, and by their order, which is that of the legend. */
export function stackedBars(bars: StackedBars) {
  return bothWidths((width) => draw(bars, width));
}

function draw({ title, description, parts, rows, axis, most }: StackedBars, width: PlotWidth): Plot {
  const sums = rows.map(({ values }) => values.reduce((sum, value) => sum + value, 0));
  const end = (most ?? Math.max(1e-9, ...sums)) * LABEL_ROOM[width];
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
            scale: { domain: parts, range: PLOT_COLOURS.slice(0, parts.length) },
            legend: parts.length > 1 ? legendAbove(parts, width) : null,
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

function rounded(value: number): number {
  return Number(value.toPrecision(6));
}
