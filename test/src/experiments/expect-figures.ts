import { expect } from 'vitest';
import type { ReportFigure } from '../../../src/report/html/figure.js';
import { plotSvg } from '../../../src/report/plot.js';

/** Figures by their ids, tables that are whole, and of each plot a wide and a narrow drawing that names `word`. */
export async function expectFigures(
  figures: readonly ReportFigure[],
  ids: readonly string[],
  plots: number,
  word: string,
): Promise<void> {
  expect(figures.map(({ id }) => id)).toEqual(ids);
  for (const { table } of figures) {
    expect(table.rows.every((row) => row.length === table.heads.length)).toBe(true);
  }
  for (const { plot } of figures.slice(0, plots)) {
    if (plot === undefined) throw new Error('a figure without a plot');
    for (const drawn of [plot.wide, plot.narrow]) {
      const svg = await plotSvg(drawn);
      expect(svg).toContain(word);
      expect(svg).not.toContain('NaN');
    }
  }
}
