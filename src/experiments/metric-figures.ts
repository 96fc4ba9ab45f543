import { type Chart, lineLegend, type Mark } from '../report/charts/chart.js';
import { type DotRow, dotChart } from '../report/charts/rows.js';
import type { FigureTable, ReportFigure } from '../report/html/figure.js';
import { type Metric, metricAxis, metricHead, metricText, shownValue } from '../report/metrics/metric.js';
import { plainText } from '../report/metrics/spread.js';

/** Points that stand in panels, each in a row. */
export interface PanelledPoints<Point> {
  readonly points: readonly Point[];
  readonly panelOf: (point: Point) => string;
  readonly panels: readonly string[];
  readonly rowOf: (point: Point) => string;
  readonly columns: number;
}

/** A metric as dots: a panel per case, a row per approach; and as a table with a column per panel. */
export function metricFigure<Point>(
  id: string,
  metric: Metric<Point>,
  { points, panelOf, panels, rowOf, columns }: PanelledPoints<Point>,
): ReportFigure {
  const rows: DotRow[] = points.flatMap((point) => {
    const shown = shownValue(metric, point);
    if (shown === undefined) return [];
    return [
      {
        panel: panelOf(point),
        name: rowOf(point),
        ...shown,
        label: plainText(shown.mean, metric.digits ?? 1),
      },
    ];
  });
  const names = [...new Set(points.map(rowOf))].filter((name) => rows.some((row) => row.name === name));
  return {
    id,
    title: metric.title,
    sentence: metric.sentence,
    chart: dotChart({
      title: metric.title,
      description: `${metric.sentence} A dot each, with a line from the least to the most of the seeds.`,
      panels,
      names,
      axis: { title: metricAxis(metric) },
      rows,
      columns,
    }),
    table: {
      heads: ['approach', ...panels],
      rows: names.map((name) => [
        name,
        ...panels.map((panel) => {
          const point = points.find((one) => rowOf(one) === name && panelOf(one) === panel);
          return point === undefined ? '-' : metricText(metric, point);
        }),
      ]),
    },
  };
}

/** Metrics as lines over a quantity, a panel each, told apart by colour, dash and the shape of their points. */
export function metricLines<Point>(
  about: Pick<Chart, 'title' | 'description' | 'x'> & { readonly y: Partial<Chart['y']> },
  metrics: readonly Metric<Point>[],
  {
    points,
    panelOf,
    panels,
    at,
  }: Pick<PanelledPoints<Point>, 'points' | 'panelOf' | 'panels'> & {
    readonly at: (point: Point) => number;
  },
  level?: number,
): Chart {
  const legend = lineLegend(metrics.map(({ title }) => title));
  const SHAPES = ['circle', 'square', 'diamond'] as const;
  return {
    ...about,
    y: { ...(metrics[0] === undefined ? {} : { title: metricAxis(metrics[0]) }), ...about.y },
    ...(metrics.length > 1 ? { legend } : {}),
    panels: panels.flatMap((title) => {
      const own = points.filter(
        (point) => panelOf(point) === title && metrics.some((metric) => metric.of(point) !== undefined),
      );
      if (own.length === 0) return [];
      const marks = metrics.flatMap((metric, index): Mark[] => {
        const line = own.flatMap((point) => {
          const shown = shownValue(metric, point);
          return shown === undefined ? [] : [[at(point), shown.mean] as const];
        });
        const { style = 1, dash = 0 } = legend[index] ?? {};
        const shape = SHAPES[index % SHAPES.length] ?? 'circle';
        return [
          { kind: 'line', points: line, style, dash },
          ...line.map(([x, y]): Mark => ({ kind: 'point', x, y, style, shape })),
        ];
      });
      return [
        {
          title,
          marks: level === undefined ? marks : [{ kind: 'rule', y: level, style: 'rule', dash: 2 }, ...marks],
        },
      ];
    }),
  };
}

/** Points and metrics as a table of rows. */
export function metricTable<Point>(
  names: readonly (readonly [head: string, of: (point: Point) => string])[],
  metrics: readonly Metric<Point>[],
  points: readonly Point[],
): FigureTable {
  return {
    heads: [...names.map(([head]) => head), ...metrics.map(metricHead)],
    textHeads: [
      ...names.map(([head]) => head),
      ...metrics.map((metric) => metric.head ?? metricHead(metric)),
    ],
    rows: points.map((point) => [
      ...names.map(([, of]) => of(point)),
      ...metrics.map((metric) => metricText(metric, point)),
    ]),
  };
}
