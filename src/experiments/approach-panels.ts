import type { TopLevelSpec } from 'vega-lite';
import { PLOT_COLOURS, PLOT_INK, type Plot } from '../report/plot.js';
import { legendAbove } from '../report/plots/panels.js';
import { bothWidths, PLOT_PIXELS, type PlotWidth } from '../report/plots/width.js';

/** Panels of one plot: a row an approach in each, all with the same rows. */
export interface PanelPlot<Row extends PanelRow> {
  readonly title: string;
  readonly description: string;
  /** In the order in which they stand. */
  readonly panels: readonly string[];
  /** Titles of the approaches, from the top. */
  readonly approaches: readonly string[];
  /** Of the axis below, with its unit; nothing where each panel's heading says it. */
  readonly axis: string | null;
  readonly rows: readonly Row[];
  /** Panels side by side on a wide page; on a phone there is one. */
  readonly columns: number;
}

interface PanelRow {
  readonly panel: string;
  readonly approach: string;
}

/** A bar of parts, one behind the other. */
export interface StackRow extends PanelRow {
  readonly values: readonly number[];
  /** Stands at the end of the bar. */
  readonly label: string;
}

/** A mean, and what seeds spread. */
export interface DotRow extends PanelRow {
  readonly mean: number;
  readonly least: number;
  readonly most: number;
  /** Stands beside the dot. */
  readonly label: string;
}

/** Percentiles of a distribution. */
export interface BoxRow extends PanelRow {
  readonly p1: number;
  readonly p25: number;
  readonly p50: number;
  readonly p75: number;
  readonly p99: number;
}

const ROW_PIXELS = 17;
/** The longest title of an approach, and the gap behind it. */
const TITLE_PIXELS = 108;
const GAP_PIXELS = 16;
/** Between two rows of panels of which each has an axis below, with its title, and a heading above. */
const AXIS_GAP_PIXELS = 62;
const COLOUR = PLOT_COLOURS[0];
/** Room for the label behind the last dot, as a fraction of the axis. */
const LABEL_ROOM = 1.35;
const OWN_AXES = { resolve: { scale: { x: 'independent' }, axis: { x: 'independent' } } } as const;

/** Parts are told apart by hatching and by their order, and the label has their numbers. */
export function stackPanels(plot: PanelPlot<StackRow>, parts: readonly string[]) {
  const bars = plot.rows.flatMap(({ panel, approach, values }) =>
    values.map((value, index) => ({ panel, approach, part: parts[index], index, value: short(value) })),
  );
  const ends = plot.rows.map(({ panel, approach, values, label }) => ({
    panel,
    approach,
    sum: short(values.reduce((sum, value) => sum + value, 0)),
    label,
  }));
  const most = Math.max(...ends.map(({ sum }) => sum));
  return bothWidths((width) => {
    const x = (field: string) => ({
      field,
      type: 'quantitative',
      title: plot.axis,
      // Room for what stands at the end of the longest bar.
      scale: { domain: [0, most * 1.42], nice: false },
      axis: { tickCount: 4, grid: false },
    });
    return draw(
      plot,
      width,
      { hatched: true },
      [...bars, ...ends],
      [
        {
          transform: [{ filter: 'isValid(datum.part)' }],
          mark: { type: 'bar', height: { band: 0.76 } },
          encoding: {
            x: { ...x('value'), stack: 'zero' },
            order: { field: 'index' },
            color: {
              field: 'part',
              type: 'nominal',
              sort: null,
              scale: { domain: parts, range: PLOT_COLOURS.slice(0, parts.length) },
              legend: legendAbove(parts, width),
            },
          },
        },
        {
          transform: [{ filter: 'isValid(datum.label)' }],
          mark: { type: 'text', align: 'left', dx: 4, color: PLOT_INK.text },
          encoding: { x: x('sum'), text: { field: 'label' } },
        },
      ],
    );
  });
}

/** Dots with a line from the least to the most of the seeds. Without `most`, which ends all axes, each panel has its own. */
export function dotPanels(plot: PanelPlot<DotRow>, most?: number) {
  // Where panels differ in what they show, an unseen mark makes room for the label behind the last dot.
  const x = {
    type: 'quantitative',
    title: plot.axis,
    scale: most === undefined ? { zero: true, nice: false } : { domain: [0, most * LABEL_ROOM], nice: false },
    axis: { tickCount: 4 },
  };
  const rows = plot.rows.map((row) => ({ ...row, room: short(row.most * LABEL_ROOM) }));
  return bothWidths((width) =>
    draw(plot, width, most === undefined ? OWN_AXES : {}, rows, [
      {
        mark: { type: 'rule', color: COLOUR, strokeWidth: 2 },
        encoding: { x: { ...x, field: 'least' }, x2: { field: 'most' } },
      },
      {
        mark: { type: 'point', filled: true, size: 46, opacity: 1, color: COLOUR },
        encoding: { x: { ...x, field: 'mean' } },
      },
      {
        mark: { type: 'text', align: 'left', dx: 8, color: PLOT_INK.text },
        encoding: { x: { ...x, field: 'most' }, text: { field: 'label' } },
      },
      ...(most === undefined
        ? [{ mark: { type: 'point', opacity: 0 }, encoding: { x: { ...x, field: 'room' } } }]
        : []),
    ]),
  );
}

/** A thin line from the 1st to the 99th percentile, a bar over the middle half, a tick at the median. Each panel has its own axis. */
export function boxPanels(plot: PanelPlot<BoxRow>) {
  const x = {
    type: 'quantitative',
    title: plot.axis,
    scale: { type: 'log', nice: false, padding: 6 },
    axis: { tickCount: 4, format: ',~g', labelOverlap: true },
  };
  return bothWidths((width) =>
    draw(plot, width, OWN_AXES, plot.rows, [
      {
        mark: { type: 'rule', color: COLOUR, strokeWidth: 1.4 },
        encoding: { x: { ...x, field: 'p1' }, x2: { field: 'p99' } },
      },
      {
        // Faint, so that the median is seen on it; the outline has the contrast.
        mark: {
          type: 'bar',
          color: COLOUR,
          fillOpacity: 0.25,
          stroke: COLOUR,
          strokeWidth: 1.4,
          height: { band: 0.62 },
        },
        encoding: { x: { ...x, field: 'p25' }, x2: { field: 'p75' } },
      },
      {
        mark: { type: 'tick', color: PLOT_INK.text, thickness: 2, height: { band: 0.7 } },
        encoding: { x: { ...x, field: 'p50' } },
      },
      {
        mark: { type: 'point', shape: 'diamond', filled: true, size: 40, opacity: 1, color: COLOUR },
        encoding: { x: { ...x, field: 'p99' } },
      },
    ]),
  );
}

interface Layer {
  readonly mark: object;
  readonly encoding: object;
  readonly transform?: readonly object[];
}

interface Extras {
  readonly hatched?: boolean;
  readonly resolve?: object;
}

function draw(
  { title, description, panels, approaches, columns: wideColumns }: Omit<PanelPlot<PanelRow>, 'rows'>,
  width: PlotWidth,
  { hatched = false, resolve }: Extras,
  values: readonly object[],
  layers: readonly Layer[],
): Plot {
  const columns = width === 'wide' ? wideColumns : 1;
  const room = PLOT_PIXELS[width] - TITLE_PIXELS - (columns - 1) * GAP_PIXELS - 8;
  const y = {
    field: 'approach',
    type: 'nominal',
    sort: [...approaches],
    title: null,
    axis: { ticks: false, domain: false, labelPadding: 5, labelColor: PLOT_INK.text },
  };
  const spec = {
    data: { values },
    facet: {
      field: 'panel',
      type: 'nominal',
      title: null,
      sort: [...panels],
      header: { labelFontWeight: 'bold', labelPadding: 3 },
    },
    columns,
    // What stands out of a panel (labels of its axis) fits into the gap, and is not to widen it.
    bounds: 'flush',
    spacing: { row: resolve === undefined ? GAP_PIXELS * 2 : AXIS_GAP_PIXELS, column: GAP_PIXELS },
    ...(resolve === undefined ? {} : { resolve }),
    spec: {
      width: Math.floor(room / columns),
      height: ROW_PIXELS * approaches.length,
      layer: layers.map((layer) => ({ ...layer, encoding: { y, ...layer.encoding } })),
    },
  };
  return { title, description, spec: spec as unknown as TopLevelSpec, ...(hatched ? { hatched } : {}) };
}

function short(value: number): number {
  return Number(value.toPrecision(6));
}
