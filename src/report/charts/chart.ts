/** A place on an axis: a value, or the name of a row. */
export type Place = number | string;

/** One axis. All panels share its domain unless each has its own. */
export interface Axis {
  /** With the unit; none where each panel's title says it. */
  readonly title?: string;
  /** `rows`: a band for each name. @defaultValue linear */
  readonly scale?: 'linear' | 'log' | 'sqrt' | 'symlog' | 'rows';
  /** Names of a `rows` axis, from the top or from the left. */
  readonly rows?: readonly string[];
  /** @defaultValue from 0 (the least on a logarithmic axis) to the most that is drawn */
  readonly domain?: readonly [least: number, most: number];
  /** Values that are labelled; with too little space for all, some are left out. */
  readonly ticks?: readonly number[];
  readonly label?: (value: number) => string;
  /** Each panel has a domain of its own. */
  readonly own?: boolean;
  /** @defaultValue true */
  readonly grid?: boolean;
}

/** Colour of a mark: of the palette from 1 on, or an ink of the page. */
export type Style = number | 'ink' | 'rule' | 'grid';
export type Shape = 'circle' | 'square' | 'diamond' | 'triangle';

/** What is drawn in a panel. */
export type Mark =
  | {
      readonly kind: 'line';
      /** Undefined values interrupt it. */
      readonly points: readonly (readonly [x: number, y: number | undefined])[];
      readonly style: Style;
      readonly width?: number;
      /** Of `DASHES`. @defaultValue 0, solid */
      readonly dash?: number;
      /** A value holds until the next. */
      readonly steps?: boolean;
    }
  | {
      /** Ground between two lines. */
      readonly kind: 'band';
      readonly points: readonly (readonly [x: number, low: number, high: number])[];
      readonly style: Style;
      readonly opacity?: number;
      readonly steps?: boolean;
    }
  | {
      /** In the band of a row, from one value to another. */
      readonly kind: 'bar';
      readonly row: string;
      readonly from: number;
      readonly to: number;
      readonly style: Style;
      /** Its part of the band, where several stand side by side. */
      readonly slot?: readonly [index: number, of: number];
      /** Pale, with an outline. */
      readonly pale?: boolean;
    }
  | {
      readonly kind: 'point';
      readonly x: Place;
      readonly y: Place;
      readonly style: Style;
      readonly shape?: Shape;
      readonly hollow?: boolean;
    }
  | {
      /** From one place to another; over the whole panel in the directions that are not given. */
      readonly kind: 'rule';
      readonly x?: Place;
      readonly y?: Place;
      readonly toX?: number;
      readonly toY?: number;
      readonly style: Style;
      readonly width?: number;
      readonly dash?: number;
    }
  | {
      /** Belongs to the point at its place: stands beside it, or where there is space, with a line to it. */
      readonly kind: 'label';
      readonly x: number;
      readonly y: number;
      readonly text: string;
    }
  | {
      /** Starts right of its place. */
      readonly kind: 'text';
      readonly x: Place;
      readonly y: Place;
      readonly text: string;
      readonly slot?: readonly [index: number, of: number];
    };

export interface Panel {
  readonly title?: string;
  readonly marks: readonly Mark[];
}

/** An entry of the legend above a chart. */
export interface LegendEntry {
  readonly text: string;
  readonly style: Style;
  readonly as: 'line' | 'bar' | Shape;
  readonly dash?: number;
  readonly width?: number;
  readonly hollow?: boolean;
}

/** A plot: panels with the same axes. What is drawn follows from it alone, the same bytes on every machine. */
export interface Chart {
  /** One line; the name of the drawing. */
  readonly title: string;
  /** What is to be seen in it, in a sentence or two, for those who do not see it. */
  readonly description: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly panels: readonly Panel[];
  readonly legend?: readonly LegendEntry[];
  /** Panels side by side on a page. @defaultValue as many as leave few places empty */
  readonly columns?: number;
  /** The same on a phone. @defaultValue 2; 1 where a row has a name */
  readonly narrowColumns?: number;
  /** Of a panel, px. @defaultValue follows from its width or its rows */
  readonly height?: number;
  /** Of a row, px. */
  readonly rowHeight?: number;
}

/** Dashes by which lines can be told apart without their colours. */
export const DASHES: readonly string[] = ['', '7 2', '2 2', '8 2 2 2', '4 4', '10 4', '1 3'];
/** Colours of the palette; the style of a page has their values. */
export const SERIES = 7;

/** Legend and marks of several lines take style and dash by number, so that they agree. */
export function lineLegend(texts: readonly string[]): LegendEntry[] {
  // Beyond the palette colours come again, with another dash.
  return texts.map((text, index) => ({
    text,
    style: seriesOf(index),
    as: 'line',
    dash: (index + Math.floor(index / SERIES)) % DASHES.length,
  }));
}

/** The legend of parts of bars, in the order of the palette. */
export function barLegend(texts: readonly string[]): LegendEntry[] {
  return texts.map((text, index) => ({ text, style: seriesOf(index), as: 'bar' }));
}

/** The colour of the palette at an index from 0. */
export function seriesOf(index: number): number {
  return (index % SERIES) + 1;
}
