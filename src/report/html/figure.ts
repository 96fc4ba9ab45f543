import type { Chart } from '../charts/chart.js';
import type { Markup } from './markup.js';

/** A parameter behind a figure, as it is shown: its value carries the unit. */
export interface FigureParameter {
  readonly name: string;
  readonly value: string;
}

/** The numbers of a figure as a table: for those who do not see the plot, and for those who want to copy them. */
export interface FigureTable {
  readonly heads: readonly string[];
  /** Shorter heads, which may have several lines, for a table of text. */
  readonly textHeads?: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** What a mark in the cells means; stands under the table. */
  readonly note?: string;
}

/** One figure of a report: a chart, a table, or both. A page draws the chart once for a page and once for a phone. */
export interface ReportFigure {
  /** Unique in its page; lower case and dashes: the address of the figure within the file. */
  readonly id: string;
  readonly title: string;
  /** What the figure shows, in a sentence or two. */
  readonly sentence: string;
  readonly chart?: Chart;
  readonly table: FigureTable;
  /** Shown in the place of the plain table. */
  readonly body?: Markup;
  /** Shown in the place of the table where the figure is text. */
  readonly text?: string;
  /** The command and the parameters are closed, in one; the table stands open. @defaultValue false */
  readonly isFolded?: boolean;
  /** Besides those of its section. */
  readonly parameters?: readonly FigureParameter[];
}

/** What stands under every figure of a section: how to have it again, and what is behind it. */
export interface FigureOrigin {
  /** The command line that gives the figure again. */
  readonly repeat: string;
  readonly parameters: readonly FigureParameter[];
}
