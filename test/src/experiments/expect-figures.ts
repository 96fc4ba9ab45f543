import { expect } from 'vitest';
import { chartSvg } from '../../../src/report/charts/draw.js';
import type { ReportFigure } from '../../../src/report/html/figure.js';

/** Figures by their ids, tables that are whole, and of each chart a wide and a narrow drawing that names `word`. */
export function expectFigures(
  figures: readonly ReportFigure[],
  ids: readonly string[],
  charts: number,
  word: string,
): void {
  expect(figures.map(({ id }) => id)).toEqual(ids);
  for (const { table } of figures) {
    expect(table.rows.every((row) => row.length === table.heads.length)).toBe(true);
  }
  for (const { chart } of figures.slice(0, charts)) {
    if (chart === undefined) throw new Error('a figure without a chart');
    for (const width of ['wide', 'narrow'] as const) {
      const svg = chartSvg(chart, width);
      expect(svg).toContain(word);
      expect(svg).not.toMatch(/NaN|undefined|Infinity/u);
    }
  }
}
