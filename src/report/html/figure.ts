import type { Plot } from '../plot.js';

/** A parameter behind a figure, as it is shown: its value carries the unit. */
export interface FigureParameter {
  readonly name: string;
  readonly value: string;
}

/** The numbers of a figure as a table: for those who do not see the plot, and for those who want to copy them. */
export interface FigureTable {
  readonly heads: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** One figure of a report: a plot, a table, or both. */
export interface ReportFigure {
  /** Unique in its page; lower case and dashes: the address of the figure within the file. */
  readonly id: string;
  readonly title: string;
  /** One sentence that says what the figure shows. */
  readonly sentence: string;
  /** The same plot for a wide page and for a phone; a page shows the one that fits. */
  readonly plot?: { readonly wide: Plot; readonly narrow: Plot };
  readonly table: FigureTable;
  /** The command line that gives the figure again. */
  readonly repeat: string;
  readonly parameters: readonly FigureParameter[];
}
