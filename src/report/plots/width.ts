import type { TopLevelSpec } from 'vega-lite';
import type { Plot } from '../plot.js';

/** Where a plot is to stand: the column of a page, or a phone. */
export type PlotWidth = 'wide' | 'narrow';

/** Width of a whole drawing, px, axes and legends included. */
export const PLOT_PIXELS: Readonly<Record<PlotWidth, number>> = { wide: 720, narrow: 340 };

/** Both drawings of a figure from what makes one. */
export function bothWidths(make: (width: PlotWidth) => Plot): { readonly wide: Plot; readonly narrow: Plot } {
  return { wide: make('wide'), narrow: make('narrow') };
}

/** The same of a specification that has one title and one description in either width. */
export function bothSpecs(
  title: string,
  description: string,
  spec: (width: PlotWidth) => TopLevelSpec,
  options: Pick<Plot, 'hatched'> = {},
): { readonly wide: Plot; readonly narrow: Plot } {
  return bothWidths((width) => ({ title, description, spec: spec(width), ...options }));
}
