import type { Axis, Chart, Mark } from './chart.js';

/** Panels of one chart, each with the same rows: an approach each. */
export interface RowPanels<Row extends PanelRow> {
  readonly title: string;
  readonly description: string;
  /** In the order in which they stand; one without a title where there are none. */
  readonly panels?: readonly string[];
  /** Names of rows, from the top. */
  readonly names: readonly string[];
  readonly axis: Axis;
  readonly rows: readonly Row[];
  readonly columns?: number;
}

interface PanelRow {
  readonly panel?: string;
  readonly name: string;
}

/** A mean, and how far seeds spread. */
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

/** Dots with a line from the least to the most of the seeds. */
export function dotChart(plot: RowPanels<DotRow>): Chart {
  return rowChart(plot, ({ name, mean, least, most, label }) => [
    { kind: 'rule', y: name, x: least, toX: most, style: 1, width: 2 },
    { kind: 'point', x: mean, y: name, style: 1 },
    { kind: 'text', x: most, y: name, text: label },
  ]);
}

/** A thin line from the 1st to the 99th percentile, a bar over the middle half, a tick at the median, a diamond at the end. */
export function boxChart(plot: RowPanels<BoxRow>): Chart {
  return rowChart(plot, ({ name, p1, p25, p50, p75, p99 }) => [
    { kind: 'rule', y: name, x: p1, toX: p99, style: 1 },
    { kind: 'bar', row: name, from: p25, to: p75, style: 1, pale: true },
    { kind: 'bar', row: name, from: p50, to: p50 * 1.001, style: 'ink', pale: true },
    { kind: 'point', x: p99, y: name, style: 1, shape: 'diamond' },
  ]);
}

/** Marks of each row, in the panels in which they stand. */
export function rowChart<Row extends PanelRow>(
  { title, description, panels, names, axis, rows, columns }: RowPanels<Row>,
  marksOf: (row: Row) => readonly Mark[],
): Chart {
  return {
    title,
    description,
    x: axis,
    y: { scale: 'rows', rows: names },
    ...(columns === undefined ? {} : { columns }),
    panels: (panels ?? [undefined]).map((panel) => ({
      ...(panel === undefined ? {} : { title: panel }),
      marks: rows.filter((row) => row.panel === panel).flatMap(marksOf),
    })),
  };
}
