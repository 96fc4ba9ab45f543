import { barLegend, type Chart, type Mark, seriesOf } from './chart.js';

/** Bars that lie, one per row, each made of parts. */
export interface StackedBars {
  readonly title: string;
  readonly description: string;
  /** What a part is, in the order in which parts stand in a bar. At most seven. */
  readonly parts: readonly string[];
  /** Of the palette from 1 on, one per part; in its order if they are not given. */
  readonly styles?: readonly number[];
  readonly rows: readonly StackedRow[];
  /** With its unit. */
  readonly axis: string;
  /** Where the axis ends; as far as the bars go if it is not given. */
  readonly most?: number;
  /** Titles of panels, where rows say in which they stand. */
  readonly panels?: readonly string[];
  readonly columns?: number;
}

export interface StackedRow {
  readonly name: string;
  readonly panel?: string;
  /** One per part. */
  readonly values: readonly number[];
  /** Stands at the end of the bar. */
  readonly label: string;
}

/** Parts are told apart by hatching and by their order, which is that of the legend. */
export function stackedBars(bars: StackedBars): Chart {
  const { title, description, parts, rows, axis, most, panels = [undefined], columns } = bars;
  const style = (index: number) => bars.styles?.[index] ?? seriesOf(index);
  return {
    title,
    description,
    x: { title: axis, ...(most === undefined ? {} : { domain: [0, most] }) },
    y: { scale: 'rows', rows: [...new Set(rows.map(({ name }) => name))] },
    ...(columns === undefined ? {} : { columns }),
    ...(parts.length < 2
      ? {}
      : { legend: barLegend(parts).map((entry, index) => ({ ...entry, style: style(index) })) }),
    panels: panels.map((panel) => ({
      ...(panel === undefined ? {} : { title: panel }),
      marks: rows.filter((row) => row.panel === panel).flatMap((row) => barMarks(row, style)),
    })),
  };
}

function barMarks({ name, values, label }: StackedRow, style: (index: number) => number): Mark[] {
  let from = 0;
  const marks: Mark[] = [];
  for (const [index, value] of values.entries()) {
    if (value > 0) marks.push({ kind: 'bar', row: name, from, to: from + value, style: style(index) });
    from += value;
  }
  marks.push({ kind: 'text', x: from, y: name, text: label });
  return marks;
}
