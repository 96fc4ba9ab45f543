import { type Estimate, estimate } from '../statistics.js';
import { type Layout, labelOf, samePlace } from './layout.js';
import { type Measured, type ReportMetric, valuesBySeed } from './measured.js';

/** What a metric is worth at one combination of values, over its seeds. */
export interface Cell {
  readonly panel: string;
  readonly line: string;
  /** The number on the axis; undefined where there is none. */
  readonly over: number | undefined;
  readonly bySeed: ReadonlyMap<number, number>;
  readonly estimate: Estimate;
}

/** One figure's worth of numbers. */
export interface MetricCells {
  readonly metric: ReportMetric;
  /** Titles of panels, in the order of the study; one that is empty where nothing is varied besides. */
  readonly panels: readonly string[];
  readonly lines: readonly string[];
  readonly cells: readonly Cell[];
}

/** Gathers the values of a metric, as the layout has them; of a metric of guests in a panel per guest. */
export function cellsOf(
  metric: ReportMetric,
  layout: Layout,
  measured: readonly Measured[],
  guests: readonly string[],
): MetricCells {
  const { points, over, lines, facets } = layout;
  const cells: Cell[] = [];
  for (const guest of metric.ofGuests ? guests : [undefined]) {
    for (const point of points) {
      const found = measured[point.index];
      if (found === undefined) continue;
      const bySeed = valuesBySeed(found, metric, guest);
      if (bySeed.size === 0) continue;
      const panel = [
        ...(guest === undefined ? [] : [`guest ${guest}`]),
        ...facets.map((facet) => `${facet.name} ${labelOf(facet, facet.of(point))}`),
      ].join(', ');
      const line = lines?.values.find((value) => samePlace(lines, point, value));
      cells.push({
        panel,
        line: lines === undefined ? '' : labelOf(lines, line),
        over: over === undefined ? undefined : Number(over.of(point)),
        bySeed,
        estimate: estimate([...bySeed.values()]),
      });
    }
  }
  return {
    metric,
    panels: [...new Set(cells.map(({ panel }) => panel))],
    lines: (lines?.values ?? ['']).map((value) => (lines === undefined ? '' : labelOf(lines, value))),
    cells,
  };
}
