import { textWidth } from '../text-width.js';
import { PLOT_PIXELS, type PlotWidth } from './width.js';

/** How many panels stand side by side, and how big each is inside of its axes, px. */
export interface PanelGrid {
  readonly columns: number;
  readonly width: number;
  readonly height: number;
}

/** Panels side by side, the fullest rows first to be tried. */
const COLUMNS: Readonly<Record<PlotWidth, readonly number[]>> = { wide: [5, 4, 3], narrow: [2] };
const SPACING = 14;
/** Labels and title of the axis on the left. */
const AXIS_PIXELS = 52;
const LABEL_PIXELS = 11;
const MOST_PANEL_PIXELS = 330;

/**
 * A grid for so many panels.
 * @param leftPixels what stands left of them: title and labels of the axis
 */
export function panelGrid(panels: number, width: PlotWidth, leftPixels = AXIS_PIXELS): PanelGrid {
  const columns = Math.min(fullestRows(panels, COLUMNS[width]), Math.max(1, panels));
  const room = PLOT_PIXELS[width] - leftPixels - (columns - 1) * SPACING;
  const each = Math.min(MOST_PANEL_PIXELS, Math.floor(room / columns));
  return { columns, width: each, height: Math.round(Math.min(170, Math.max(85, each * 0.68))) };
}

/** Of some counts of columns the one that leaves the fewest places of the last row empty; of equals the first. */
function fullestRows(panels: number, choices: readonly number[]): number {
  const empty = (columns: number) => (columns - (panels % columns)) % columns;
  const [first = 1, ...others] = choices;
  return others.reduce((best, columns) => (empty(columns) < empty(best) ? columns : best), first);
}

/** What a specification needs to be drawn a panel a value of `field`, in the order that is given. */
export function panelsOf(field: string, order: readonly string[], { columns }: PanelGrid) {
  return {
    facet: {
      field,
      type: 'nominal' as const,
      title: null,
      sort: [...order],
      header: { labelFontWeight: 'bold' as const, labelPadding: 3 },
    },
    columns,
    spacing: { row: SPACING, column: SPACING },
  };
}

/**
 * A legend above the plot, in as many columns as fit.
 * @param leftPixels what stands left of the plot: labels of its axis
 */
export function legendAbove(labels: readonly string[], width: PlotWidth, leftPixels = AXIS_PIXELS) {
  const widest = Math.max(1, ...labels.map((label) => textWidth(label, LABEL_PIXELS))) + 34;
  return {
    orient: 'top' as const,
    title: null,
    columns: Math.max(1, Math.min(labels.length, Math.floor((PLOT_PIXELS[width] - leftPixels) / widest))),
    symbolSize: 110,
    labelLimit: PLOT_PIXELS[width] - 60,
  };
}
